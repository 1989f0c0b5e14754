import type { IAnswer, IClient } from '../../api/client';
import type { ILineHeader } from '../../api/types';

/** A curve to ask for. */
export interface ICurveSource {
  key: string;
  client: IClient;
  h5path: string;
  slice: string | undefined;
  label: string;
  units?: string;
  /** Path of its standard deviations. */
  errors?: string;
  /** Samples, where they are known beforehand. */
  length?: number;
  /** Where its x values are; absent: sample numbers. */
  x?: IAbscissa;
}

/** X values: at hand, or in a data set of the same length that is asked for like the curve itself. */
export interface IAbscissa {
  values?: ArrayLike<number>;
  h5path?: string;
  slice?: string;
}

/** Samples by index: a bucket's smallest and largest value, or the sample itself. */
export interface ISamples {
  header: ILineHeader;
  index: ArrayLike<number>;
  first: Float64Array;
  min?: Float64Array;
  max?: Float64Array;
}

/** A curve that can be drawn. */
export interface ICurve {
  source: ICurveSource;
  samples: ISamples;
  /** X value of each bucket or sample. */
  x: Float64Array;
  /** Standard deviations; only where every sample is drawn. */
  errors?: Float64Array;
  /** What the polyline goes through. */
  abscissas: Float64Array;
  ordinates: Float64Array;
}

export interface ILineQuery {
  /** Samples, half open; absent: all. */
  range?: [number, number];
  points: number;
}

export function samplesOf(answer: IAnswer<ILineHeader>): ISamples {
  const { x, first, min, max } = answer.arrays;
  const numbers = (array: typeof x | undefined) => array && Float64Array.from(array.values as ArrayLike<number>, Number);
  return { header: answer.header, index: numbers(x)!, first: numbers(first)!, min: numbers(min), max: numbers(max) };
}

async function fetchSamples(
  client: IClient,
  h5path: string,
  slice: string | undefined,
  { range, points }: ILineQuery,
  signal: AbortSignal
): Promise<ISamples> {
  const answer = await client.arrays<ILineHeader>('line', { h5path, slice, range: range?.join(','), points }, signal);
  return samplesOf(answer);
}

/** Ask for a curve with its x values and errors. `known`: samples that are there already. */
export async function fetchCurve(
  source: ICurveSource,
  query: ILineQuery,
  signal: AbortSignal,
  known?: ISamples
): Promise<ICurve> {
  const { client, h5path, slice, x } = source;
  const [samples, positions] = await Promise.all([
    known ?? fetchSamples(client, h5path, slice, query, signal),
    x?.values === undefined && x?.h5path !== undefined
      ? fetchSamples(client, x.h5path, x.slice, query, signal).catch(unlessAborted(signal))
      : undefined
  ]);
  const errors =
    source.errors !== undefined && samples.header.bucket === 1
      ? await fetchSamples(client, source.errors, slice, query, signal).catch(unlessAborted(signal))
      : undefined;
  return assemble(source, samples, positions, errors);
}

/** An axis or errors that can't be read do not take the curve away. */
function unlessAborted(signal: AbortSignal): (error: unknown) => undefined {
  return error => {
    if (signal.aborted) {
      throw error;
    }
    return undefined;
  };
}

export function assemble(source: ICurveSource, samples: ISamples, positions?: ISamples, errors?: ISamples): ICurve {
  const x = abscissasOf(samples, source.x?.values, positions);
  const { first, min, max } = samples;
  const sigma = errors && errors.first.length === first.length ? errors.first : undefined;
  if (!min || !max || samples.header.bucket === 1) {
    return { source, samples, x, errors: sigma, abscissas: x, ordinates: first };
  }
  return { source, samples, x, ...zigzag(x, first, min, max) };
}

/** X of each bucket's first sample. */
function abscissasOf(samples: ISamples, values: ArrayLike<number> | undefined, positions: ISamples | undefined): Float64Array {
  const { index } = samples;
  const { length } = samples.header;
  if (values && values.length >= length) {
    // one more value than samples: edges of bins, drawn at their middle
    const histogram = values.length === length + 1;
    return Float64Array.from(index, i => (histogram ? (values[i] + values[i + 1]) / 2 : values[i]));
  }
  if (positions && positions.index.length === index.length && positions.header.bucket === samples.header.bucket) {
    return positions.first;
  }
  return Float64Array.from(index);
}

/**
 * Through the smallest and the largest value of each bucket, in the order that makes the shorter way from the bucket before: the
 * picture is the one that all samples would give.
 */
function zigzag(x: Float64Array, first: Float64Array, min: Float64Array, max: Float64Array) {
  const abscissas = new Float64Array(2 * x.length);
  const ordinates = new Float64Array(2 * x.length);
  for (let i = 0; i < x.length; i++) {
    const middle = (min[i] + max[i]) / 2;
    const rising = !(first[i] > middle);
    abscissas[2 * i] = x[i];
    abscissas[2 * i + 1] = x[i];
    ordinates[2 * i] = rising ? min[i] : max[i];
    ordinates[2 * i + 1] = rising ? max[i] : min[i];
  }
  return { abscissas, ordinates };
}

/** The smallest range that holds all of the numbers; undefined if there is none. */
export function extent(arrays: Iterable<ArrayLike<number>>, positive = false): [number, number] | undefined {
  let low = Infinity;
  let high = -Infinity;
  for (const array of arrays) {
    for (let i = 0; i < array.length; i++) {
      const value = array[i];
      if (Number.isFinite(value) && (!positive || value > 0)) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
  }
  return low <= high ? [low, high] : undefined;
}

/** Index of the sample that is nearest to `x`; -1 where there is none. */
export function nearest(xs: ArrayLike<number>, x: number): number {
  const last = xs.length - 1;
  if (last < 0) {
    return -1;
  }
  if (isMonotonic(xs)) {
    const rising = xs[last] >= xs[0];
    let low = 0;
    let high = last;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (rising ? xs[middle] <= x : xs[middle] >= x) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
  }
  let best = -1;
  for (let i = 0; i <= last; i++) {
    if (Number.isFinite(xs[i]) && (best < 0 || Math.abs(xs[i] - x) < Math.abs(xs[best] - x))) {
      best = i;
    }
  }
  return best;
}

const monotonic = new WeakMap<object, boolean>();

function isMonotonic(xs: ArrayLike<number>): boolean {
  let known = monotonic.get(xs);
  if (known === undefined) {
    const rising = xs[xs.length - 1] >= xs[0];
    known = true;
    for (let i = 1; i < xs.length && known; i++) {
      known = rising ? xs[i] >= xs[i - 1] : xs[i] <= xs[i - 1];
    }
    monotonic.set(xs, known);
  }
  return known;
}

/**
 * Which samples are in sight, with as many again on each side so that a little panning needs no question; undefined if they can't
 * be told (x goes back and forth) or all are.
 */
export function samplesInSight(curve: ICurve, sight: [number, number]): [number, number] | undefined {
  const { x, samples } = curve;
  const { length, bucket } = samples.header;
  if (x.length < 2 || !isMonotonic(x)) {
    return undefined;
  }
  const a = samples.index[nearest(x, sight[0])];
  const b = samples.index[nearest(x, sight[1])];
  const [low, high] = a <= b ? [a, b] : [b, a];
  const margin = Math.max(high - low, bucket);
  const range: [number, number] = [Math.max(0, low - margin), Math.min(length, high + bucket + margin)];
  return range[1] - range[0] >= length ? undefined : range;
}
