/** Numpy's slices and the choice of dimensions: what the slice field parses and the dimension bar sets. */

/** An index, or a range; null where it is left open. */
export type Entry = number | { start: number | null; stop: number | null; step: number };

export const ALL: Entry = Object.freeze({ start: null, stop: null, step: 1 });

/** What is wrong with a slice, in words. */
export class SliceError extends Error {}

/**
 * The entries of a slice, one a dimension. Negative numbers count from the end; `...` stands for as many `:` as are missing.
 * @throws SliceError in words.
 */
export function parseSlice(text: string, shape: readonly number[]): Entry[] {
  const trimmed = text.trim().replace(/^\[(.*)\]$/s, '$1').trim();
  let parts = trimmed ? trimmed.split(',').map(part => part.trim()) : [];
  if (parts.length > 1 && parts[parts.length - 1] === '') {
    parts.pop(); // numpy allows a comma at the end
  }
  const dots = parts.indexOf('...');
  if (dots >= 0) {
    const missing = Math.max(0, shape.length - parts.length + 1);
    parts = [...parts.slice(0, dots), ...Array<string>(missing).fill(':'), ...parts.slice(dots + 1)];
  }
  if (parts.length > shape.length) {
    throw new SliceError(`The data set has ${count(shape.length, 'dimension')}, the slice has ${parts.length}.`);
  }
  while (parts.length < shape.length) {
    parts.push(':');
  }
  return parts.map((part, dimension) => parseEntry(part, dimension, shape[dimension]));
}

function parseEntry(part: string, dimension: number, length: number): Entry {
  if (/^-?\d+$/.test(part)) {
    const index = Number(part);
    const found = index < 0 ? index + length : index;
    if (!Number.isSafeInteger(found) || found < 0 || found >= length) {
      throw new SliceError(`Dimension ${dimension} has ${count(length, 'element')}; there is no ${part}.`);
    }
    return found;
  }
  const range = /^(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(-?\d+)?)?$/.exec(part);
  if (!range) {
    throw new SliceError(`"${part.slice(0, 40)}" is no slice: write a number, ":", "start:stop" or "start:stop:step".`);
  }
  const [start, stop, step] = range.slice(1).map(bound => (bound === undefined ? null : Number(bound)));
  if (step !== null && step < 1) {
    throw new SliceError('A step must be 1 or more.');
  }
  const from = start === null ? null : start < 0 ? Math.max(0, start + length) : start;
  const to = stop === null ? null : stop < 0 ? Math.max(0, stop + length) : stop;
  if (length > 0 && Math.min(to ?? length, length) <= (from ?? 0)) {
    throw new SliceError(`"${part}" takes nothing of dimension ${dimension}, which has ${count(length, 'element')}.`);
  }
  return { start: from, stop: to, step: step ?? 1 };
}

/** The server's canonical form. */
export function formatSlice(entries: readonly Entry[]): string {
  return entries
    .map(entry => {
      if (typeof entry === 'number') {
        return String(entry);
      }
      const range = `${entry.start || ''}:${entry.stop ?? ''}`;
      return entry.step > 1 ? `${range}:${entry.step}` : range;
    })
    .join(', ');
}

/** What the dimension bar shows: which dimension is on which axis, and where the others stand. */
export interface IMapping {
  /** Dimensions shown, in the order of the view's axes: [y, x] or [x]. */
  axes: number[];
  entries: Entry[];
}

/** The mapping for a view with `rank` axes; anything that does not fit falls back to the last dimensions and the first elements. */
export function mappingOf(shape: readonly number[], rank: number, slice?: string, axes?: readonly number[]): IMapping {
  const shown = Math.min(rank, shape.length);
  let given: Entry[] | null = null;
  try {
    given = slice === undefined ? null : parseSlice(slice, shape);
  } catch {
    // of another data set, or from a stale link
  }
  const chosen = chooseAxes(shape.length, shown, axes, given);
  const entries = shape.map((_, dimension): Entry => {
    const entry = given?.[dimension];
    if (chosen.includes(dimension)) {
      return entry !== undefined && typeof entry !== 'number' ? entry : ALL;
    }
    return typeof entry === 'number' ? entry : (entry?.start ?? 0);
  });
  return { axes: chosen, entries };
}

function chooseAxes(ndim: number, shown: number, axes: readonly number[] | undefined, given: Entry[] | null): number[] {
  const sound =
    axes &&
    axes.length === shown &&
    new Set(axes).size === shown &&
    axes.every(axis => Number.isInteger(axis) && axis >= 0 && axis < ndim);
  if (sound) {
    return [...axes];
  }
  const open = given?.flatMap((entry, dimension) => (typeof entry === 'number' ? [] : [dimension])) ?? [];
  if (open.length >= shown && given) {
    return open.slice(open.length - shown);
  }
  return Array.from({ length: shown }, (_, i) => ndim - shown + i);
}

/** Put a dimension on an axis. The one that was there changes places with it. */
export function putOnAxis(mapping: IMapping, axis: number, dimension: number, shape: readonly number[]): IMapping {
  const before = mapping.axes[axis];
  if (before === dimension) {
    return mapping;
  }
  const axes = mapping.axes.map(current => (current === dimension ? before : current));
  axes[axis] = dimension;
  const entries = mapping.entries.map((entry, d): Entry => {
    if (axes.includes(d)) {
      return typeof entry === 'number' ? ALL : entry;
    }
    return typeof entry === 'number' ? entry : clampIndex(entry.start ?? 0, shape[d]);
  });
  return { axes, entries };
}

/** Move to an element of a dimension that is not shown. */
export function moveTo(mapping: IMapping, dimension: number, index: number, shape: readonly number[]): IMapping {
  const entries = [...mapping.entries];
  entries[dimension] = clampIndex(index, shape[dimension]);
  return { ...mapping, entries };
}

/** The mapping as parts of the view state; axes only where they are not what one would expect. */
export function asState(mapping: IMapping): { slice: string; axes: number[] | undefined } {
  const rising = mapping.axes.every((axis, i) => i === 0 || axis > mapping.axes[i - 1]);
  const open = mapping.entries.filter(entry => typeof entry !== 'number').length;
  const plain = rising && open === mapping.axes.length;
  return { slice: formatSlice(mapping.entries), axes: plain ? undefined : [...mapping.axes] };
}

export function clampIndex(index: number, length: number): number {
  return Math.max(0, Math.min(Math.round(index), length - 1));
}

function count(n: number, what: string): string {
  return `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
}
