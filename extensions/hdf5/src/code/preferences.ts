import { isFlavour } from './subject';
import type { Flavour } from './subject';

/** What the settings say; there is one set of settings for a page. */
export const preferences: { flavour: Flavour } = { flavour: 'h5py' };

/** Take the flavour from a settings' value; what is not one changes nothing. */
export function adoptFlavour(value: unknown): void {
  if (isFlavour(value)) {
    preferences.flavour = value;
  }
}
