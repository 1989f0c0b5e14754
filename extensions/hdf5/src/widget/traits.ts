import type { IViewState } from '../state/viewState';

/** Traits of `panosc_hdf5.widget.HDF5View` and what they are in the viewer's state. The names differ only in style. */
const NAMES = {
  h5path: 'h5path',
  vis: 'vis',
  slice: 'slice',
  axes: 'axes',
  range: 'range',
  scale: 'scale',
  color_map: 'colorMap',
  invert_color_map: 'invertColorMap',
  reduce: 'reduce',
  mask: 'mask',
  zoom: 'zoom',
  keep_aspect: 'keepAspect',
  follow: 'follow',
  roi: 'roi',
  profile: 'profile',
  x: 'x',
  curves: 'curves',
  compare: 'compare',
  compare_mode: 'compareMode'
} as const satisfies Record<string, keyof IViewState>;

export const TRAITS = Object.keys(NAMES) as Trait[];
export type Trait = keyof typeof NAMES;

/** What a trait is when the state says nothing. */
const UNSET: Partial<Record<Trait, unknown>> = { invert_color_map: false, follow: false, mask: 'auto', curves: [] };

/** The state that the kernel's traits describe. */
export function stateOf(get: (trait: Trait) => unknown): IViewState {
  const state: Record<string, unknown> = { h5path: '/' };
  for (const trait of TRAITS) {
    const value = get(trait);
    if (value !== null && value !== undefined && !same(value, UNSET[trait])) {
      state[NAMES[trait]] = value;
    }
  }
  return state as unknown as IViewState;
}

/** The traits that describe the state: all of them, so that what was forgotten becomes None. */
export function traitsOf(state: IViewState): Record<Trait, unknown> {
  const traits = {} as Record<Trait, unknown>;
  for (const trait of TRAITS) {
    traits[trait] = plain(trait, state[NAMES[trait]]) ?? UNSET[trait] ?? null;
  }
  return traits;
}

/** Traits that differ. */
export function changed(before: (trait: Trait) => unknown, after: Record<Trait, unknown>): Partial<Record<Trait, unknown>> {
  return Object.fromEntries(TRAITS.filter(trait => !same(before(trait) ?? null, after[trait])).map(t => [t, after[t]]));
}

/** What the trait's type takes: whole pixels for the region, numbers that JSON has, nothing empty. */
function plain(trait: Trait, value: unknown): unknown {
  if (trait === 'roi' && Array.isArray(value)) {
    const [y0, y1, x0, x1] = value as number[];
    const window = [Math.floor(y0), Math.ceil(y1), Math.floor(x0), Math.ceil(x1)];
    return finite(window) && window[0] < window[1] && window[2] < window[3] ? window : undefined;
  }
  if (trait === 'zoom' && Array.isArray(value)) {
    const [y0, y1, x0, x1] = value as number[];
    return finite([y0, y1, x0, x1]) && y0 < y1 && x0 < x1 ? value : undefined;
  }
  if (trait === 'range' && Array.isArray(value)) {
    return finite(value as number[]) && value[0] < value[1] ? value : undefined;
  }
  if (trait === 'profile' && Array.isArray(value)) {
    return finite(value as number[]) ? value : undefined;
  }
  if (trait === 'slice' && typeof value === 'string' && value) {
    // As the kernel writes it: what it would change comes back, and would move a slider that has gone on meanwhile.
    return value.split(',').map(item => item.trim()).join(', ');
  }
  return value === '' ? undefined : value;
}

function finite(numbers: number[]): boolean {
  return numbers.every(Number.isFinite);
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
