import type { IViewHeader } from '../api/types';
import type { ScaleName } from '../state/viewState';

export type Domain = [number, number];

/** The graphics card counts with single precision: what differs by less is one value. */
const NOISE = 1e-6;

/** A range that a scale can draw: ordered, finite, not empty, positive where the scale asks for it. */
export function drawable(range: Domain, scale: ScaleName, positiveMin: number | null): Domain {
  let [low, high] = range[0] <= range[1] ? range : [range[1], range[0]];
  if (!Number.isFinite(low)) {
    low = 0;
  }
  if (!Number.isFinite(high)) {
    high = low + 1;
  }
  if (scale === 'log') {
    if (!(high > 0)) {
      return [0.1, 1];
    }
    if (!(low > 0)) {
      low = Math.min(positiveMin ?? high / 1e3, high);
    }
    return low < high ? [low, high] : [high / 10, high];
  }
  if (scale === 'sqrt') {
    low = Math.max(low, 0);
    high = Math.max(high, 0);
  }
  return high - low > NOISE * Math.max(Math.abs(low), Math.abs(high)) ? [low, high] : [low, low + (Math.abs(low) || 1)];
}

/** The scale to draw with: what was chosen, else what the server suggests. */
export function scaleOf(header: Pick<IViewHeader, 'suggested'> | undefined, chosen: ScaleName | undefined): ScaleName {
  return chosen ?? header?.suggested.scale ?? 'linear';
}

/** The colour range: what was chosen, else the useful one that the server suggests. */
export function domainOf(
  header: Pick<IViewHeader, 'suggested' | 'stats'> | undefined,
  chosen: Domain | undefined,
  scale: ScaleName
): Domain {
  return drawable(chosen ?? useful(header, scale), scale, header?.stats.positive_min ?? null);
}

/** What the server suggests is for its scale: a logarithm begins above zero, where another scale would leave out the lowest values. */
function useful(header: Pick<IViewHeader, 'suggested' | 'stats'> | undefined, scale: ScaleName): Domain {
  if (!header) {
    return [0, 1];
  }
  const { suggested, stats } = header;
  const [low, high] = suggested.domain;
  const lowest = stats.percentiles?.['1'] ?? stats.min;
  return suggested.scale === 'log' && scale !== 'log' && lowest !== null && lowest < low ? [lowest, high] : [low, high];
}
