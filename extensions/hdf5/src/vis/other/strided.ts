import type { IArray, IClient } from '../../api/client';
import { formatSlice, rangeOf, type SliceEntry } from '../slices';

/** Each how manieth element of a rectangle makes at most `most` of them. */
export function strideFor(height: number, width: number, most: number): number {
  return Math.max(1, Math.ceil(Math.sqrt((height * width) / most)));
}

/** A slice that takes each `stride`th element of some dimensions. */
export function stridden(entries: SliceEntry[], shape: readonly number[], dimensions: readonly number[], stride: number): string {
  return formatSlice(
    entries.map((entry, d) => {
      if (stride === 1 || !dimensions.includes(d)) {
        return entry;
      }
      const { start, step, count } = rangeOf(entry, shape[d]);
      return `${start}:${start + count * step}:${step * stride}`;
    })
  );
}

/** The values of a two-dimensional slice as they are stored. */
export async function fetchRaw(client: IClient, h5path: string, slice: string, signal: AbortSignal): Promise<IArray> {
  const answer = await client.arrays('frame', { h5path, slice, encoding: 'raw' }, signal);
  return answer.arrays.data;
}
