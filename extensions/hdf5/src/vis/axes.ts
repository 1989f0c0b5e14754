import type { IAxis } from '../api/types';
import { withUnits } from './format';

/** One direction of a picture: where its pixels lie on the axis. */
export interface IScale {
  label: string;
  units?: string;
  /** Edges of the pixels, one more than there are pixels. */
  edges: Float64Array;
  /** Centres of the pixels, if the axis has values. */
  values?: ArrayLike<number>;
  log: boolean;
  /** Whether all pixels have the same width on the screen. */
  regular: boolean;
  /** Pixel numbers instead of values. */
  index: boolean;
}

/** Which elements of a dimension the pixels are. */
export interface IRange {
  start: number;
  step: number;
  count: number;
}

/** Pixel numbers: element i lies between i and i + 1. */
export function indexScale({ start, step, count }: IRange, label: string): IScale {
  const edges = Float64Array.from({ length: count + 1 }, (_, i) => start + i * step);
  return { label, edges, log: false, regular: true, index: true };
}

/** The part of an axis' values that belongs to a part of its dimension. */
function taken(values: ArrayLike<number>, { start, step, count }: IRange, length: number): ArrayLike<number> {
  if (start === 0 && step === 1 && count === length) {
    return values;
  }
  const bins = values.length === length + 1;
  return Array.from({ length: bins ? count + 1 : count }, (_, i) => values[Math.min(start + i * step, values.length - 1)]);
}

/**
 * The scale of an axis whose values are centres of pixels, or edges if there is one more of them. Pixel numbers where they can't
 * be. `length` is that of the whole dimension, `range` what of it is shown.
 */
export function axisScale(
  axis: IAxis | undefined,
  all: ArrayLike<number> | undefined,
  length: number,
  range: IRange = { start: 0, step: 1, count: length }
): IScale {
  const label = axis ? withUnits(axis.label, axis.units) : '';
  const fits = all !== undefined && (all.length === length || all.length === length + 1);
  const values = fits ? taken(all, range, length) : undefined;
  if (!axis || !values || !usable(values, range.count)) {
    return indexScale(range, label);
  }
  const log = axis.scale === 'log' && Array.prototype.every.call(values, (value: number) => value > 0);
  const edges = edgesOf(values, range.count, log);
  return { label, units: axis.units, edges, values, log, regular: isRegular(edges, log), index: false };
}

function usable(values: ArrayLike<number>, length: number): boolean {
  if (length === 0 || (values.length !== length && values.length !== length + 1)) {
    return false;
  }
  const rising = values[values.length - 1] > values[0];
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      return false;
    }
    if (i > 0 && (rising ? values[i] <= values[i - 1] : values[i] >= values[i - 1])) {
      return false;
    }
  }
  return true;
}

function edgesOf(values: ArrayLike<number>, length: number, log: boolean): Float64Array {
  const to = log ? Math.log10 : (v: number) => v;
  const from = log ? (v: number) => 10 ** v : (v: number) => v;
  const edges = new Float64Array(length + 1);
  if (values.length === length + 1) {
    edges.set(Array.from(values));
    return edges;
  }
  if (length === 1) {
    edges.set([from(to(values[0]) - 0.5), from(to(values[0]) + 0.5)]);
    return edges;
  }
  for (let i = 1; i < length; i++) {
    edges[i] = from((to(values[i - 1]) + to(values[i])) / 2);
  }
  edges[0] = from(to(values[0]) - (to(values[1]) - to(values[0])) / 2);
  edges[length] = from(to(values[length - 1]) + (to(values[length - 1]) - to(values[length - 2])) / 2);
  return edges;
}

/** Whether no pixel lies more than a quarter of a pixel from where equal pixels would. */
export function isRegular(edges: ArrayLike<number>, log: boolean): boolean {
  const to = log ? Math.log10 : (v: number) => v;
  const last = edges.length - 1;
  const first = to(edges[0]);
  const step = (to(edges[last]) - first) / last;
  for (let i = 0; i <= last; i++) {
    if (Math.abs(to(edges[i]) - first - i * step) > Math.abs(step) / 4) {
      return false;
    }
  }
  return true;
}

/** From a coordinate on the axis to a pixel with its fraction; outside: beyond 0 or the length. */
export function pixelAt(scale: IScale, coordinate: number): number {
  const { edges, log } = scale;
  const last = edges.length - 1;
  if (scale.index) {
    return (coordinate - edges[0]) / (edges[1] - edges[0]);
  }
  const to = log ? Math.log10 : (v: number) => v;
  const rising = edges[last] > edges[0];
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (rising ? edges[middle] <= coordinate : edges[middle] >= coordinate) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const begin = to(edges[low]);
  return low + (to(coordinate) - begin) / (to(edges[high]) - begin);
}

/** From a pixel with its fraction to a coordinate on the axis. */
export function coordinateAt(scale: IScale, pixel: number): number {
  const { edges, log } = scale;
  if (scale.index) {
    return edges[0] + pixel * (edges[1] - edges[0]);
  }
  const last = edges.length - 1;
  const low = Math.min(Math.max(Math.floor(pixel), 0), last - 1);
  const rest = pixel - low;
  if (log) {
    const begin = Math.log10(edges[low]);
    return 10 ** (begin + rest * (Math.log10(edges[low + 1]) - begin));
  }
  return edges[low] + rest * (edges[low + 1] - edges[low]);
}
