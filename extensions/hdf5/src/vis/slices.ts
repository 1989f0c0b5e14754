/** Slices as text, numpy's way: one entry a dimension, a number fixes it, `:` shows it. */

export type SliceEntry = number | string;

/** The entries of a slice's text; `...` and what is missing at the end are as many `:` as it takes. */
export function parseSlice(text: string | undefined, ndim: number): SliceEntry[] {
  const parts = (text ?? '')
    .replace(/^\s*\[|\]\s*$/g, '')
    .split(',')
    .map(entry => entry.trim())
    .filter(entry => entry !== '');
  const dots = parts.indexOf('...');
  if (dots >= 0) {
    parts.splice(dots, 1, ...Array<string>(Math.max(0, ndim - parts.length + 1)).fill(':'));
  }
  const entries: SliceEntry[] = parts.slice(0, ndim).map(entry => (/^-?\d+$/.test(entry) ? Number(entry) : entry));
  while (entries.length < ndim) {
    entries.push(':');
  }
  return entries;
}

export function formatSlice(entries: readonly SliceEntry[]): string {
  return entries.join(', ');
}

/** Dimensions that a slice shows, in order. */
export function shownDimensions(entries: readonly SliceEntry[]): number[] {
  return entries.flatMap((entry, dimension) => (typeof entry === 'number' ? [] : [dimension]));
}

/** Which dimensions are shown: as asked for if that is possible, else the last ones. */
export function chooseDimensions(
  shape: readonly number[],
  count: number,
  slice: string | undefined,
  axes: readonly number[] | undefined
): number[] {
  const ndim = shape.length;
  const possible = (dimensions: readonly number[]) =>
    dimensions.length === count &&
    new Set(dimensions).size === count &&
    dimensions.every(d => Number.isInteger(d) && d >= 0 && d < ndim);
  if (axes && possible(axes)) {
    return [...axes];
  }
  if (slice !== undefined) {
    const shown = shownDimensions(parseSlice(slice, ndim));
    if (shown.length >= count) {
      return shown.slice(shown.length - count);
    }
  }
  return Array.from({ length: Math.min(count, ndim) }, (_, i) => ndim - Math.min(count, ndim) + i);
}

/** The slice that shows `dimensions` whole, with the others where `text` fixes them (else their first). */
export function sliceFor(
  shape: readonly number[],
  dimensions: readonly number[],
  text: string | undefined
): SliceEntry[] {
  const given = text === undefined ? shape.map(() => 0) : parseSlice(text, shape.length);
  return shape.map((length, dimension) => {
    if (dimensions.includes(dimension)) {
      const entry = given[dimension];
      return typeof entry === 'string' ? entry : ':';
    }
    const entry = given[dimension];
    const index = typeof entry === 'number' ? entry : 0;
    return Math.min(Math.max(index < 0 ? length + index : index, 0), Math.max(length - 1, 0));
  });
}

/** A slice with `entry` for one dimension. */
export function withEntry(entries: readonly SliceEntry[], dimension: number, entry: SliceEntry): SliceEntry[] {
  return entries.map((old, d) => (d === dimension ? entry : old));
}

/** Where a shown dimension's `start:stop:step` begins and how far its steps go. */
export function rangeOf(entry: SliceEntry, length: number): { start: number; step: number; count: number } {
  if (typeof entry === 'number' || entry === ':' || !entry.includes(':')) {
    return { start: 0, step: 1, count: length };
  }
  const [start, stop, step] = entry.split(':').map(part => (part.trim() === '' ? undefined : Number(part)));
  const stride = step && step > 0 ? step : 1;
  const inside = (value: number) => Math.min(Math.max(value < 0 ? length + value : value, 0), length);
  const first = inside(start ?? 0);
  const last = inside(stop ?? length);
  return { start: first, step: stride, count: Math.max(0, Math.ceil((last - first) / stride)) };
}
