import type { IArray, IClient, Values } from '../../api/client';
import type { IStorage, IViewHeader, Reducer } from '../../api/types';
import { decodeChunk } from '../../decode';
import { ByteCache } from '../latest';
import type { IPicture } from '../picture';
import { TILE, type LoadTile } from './tiles';

/*
 * Which way a picture takes, by what was measured in Chromium on a stack of 4M-pixel frames of 32-bit integers (median of six, on a
 * machine with other work; minimum in brackets):
 *
 * - the whole frame on the screen: `view` 46 (42) ms and 0.36 MB, ready to be drawn, with its statistics; the chunk as stored 50 (32)
 *   ms and 1.6 MB, then 15 ms to decode, then masking, pooling and statistics. So the overview is always the server's `view`.
 * - nine tiles of a frame that nobody has looked at: 166 (100) ms by `tile`; the chunk as stored 32 (23) ms, 15 ms to decode, and
 *   then every tile of the frame is cut without a question. So tiles of a stack that is being stepped through come from the chunk.
 */

const BUDGET = 128 * 2 ** 20;
/** Bytes of a decoded frame. */
const LARGEST = 64 * 2 ** 20;
const LARGEST_MASK = 8192;
const BITSHUFFLE = 32008;
const LZ4 = 32004;

/** Whether each image of a stack is one chunk that the browser can decode, along the last two dimensions. */
export function isPassedThrough(storage: IStorage | undefined, shape: readonly number[], yDimension: number, xDimension: number): boolean {
  const [y, x] = [shape.length - 2, shape.length - 1];
  if (storage?.layout !== 'chunked' || !storage.chunks || yDimension !== y || xDimension !== x || shape.length < 3) {
    return false;
  }
  const whole = storage.chunks.every((length, d) => length === (d >= y ? shape[d] : 1));
  const frames = shape.slice(0, y).reduce((a, b) => a * b, 1);
  return whole && frames > 1 && isDecodable(storage) && storage.nbytes / frames <= LARGEST;
}

function isDecodable({ filters }: IStorage): boolean {
  return filters.length === 1 && (filters[0].id === BITSHUFFLE || filters[0].id === LZ4);
}

/** What is needed to know which pixels count. */
export interface IValidity {
  /** Path of the pixel mask. */
  mask: string | undefined;
  sentinels: readonly number[];
}

/** Tiles cut from whole frames, which are decoded in the browser from the chunks as they lie in the file. */
export class ExactFrames {
  private readonly frames = new ByteCache<IArray>(BUDGET);
  private readonly running = new Map<string, Promise<IArray>>();
  private maskArray: Promise<Values | undefined> | undefined;

  constructor(
    private readonly client: IClient,
    private readonly h5path: string,
    private readonly validity: IValidity | undefined,
    private readonly reduce: Reducer | undefined
  ) {}

  /** A tile of the frame; of the server where the frame can't be decoded here. */
  tiles(fallback: LoadTile): LoadTile {
    return async (key, signal) => {
      if (this.reduce === 'first') {
        return fallback(key, signal);
      }
      try {
        const [frame, mask] = await Promise.all([this.frame(key.slice), this.mask()]);
        return cutTile(frame, mask, this.validity?.sentinels ?? [], this.reduce ?? 'max', key);
      } catch (error) {
        if (signal.aborted) {
          throw error;
        }
        return fallback(key, signal);
      }
    };
  }

  /** The frame, every value as stored. Not aborted with a tile: the next tile needs it as well. */
  frame(slice: string): Promise<IArray> {
    const known = this.frames.get(slice);
    if (known) {
      return Promise.resolve(known);
    }
    let running = this.running.get(slice);
    if (!running) {
      running = this.fetch(slice).finally(() => this.running.delete(slice));
      this.running.set(slice, running);
    }
    return running;
  }

  private async fetch(slice: string): Promise<IArray> {
    const answer = await this.client.arrays('frame', { h5path: this.h5path, slice, encoding: 'stored' });
    const stored = answer.stored.data;
    const array = stored ? await decodeChunk(stored) : answer.arrays.data;
    if (array.shape.length !== 2) {
      throw new Error('The frame is no image.');
    }
    this.frames.set(slice, array, array.values.byteLength);
    return array;
  }

  /** The pixel mask: small as it comes, since its values fit a byte. */
  private mask(): Promise<Values | undefined> {
    const path = this.validity?.mask;
    if (path === undefined) {
      return Promise.resolve(undefined);
    }
    this.maskArray ??= this.client
      .arrays<IViewHeader>('view', { h5path: path, width: LARGEST_MASK, height: LARGEST_MASK, mask: 'none', reduce: 'max' })
      .then(({ header, arrays }) => {
        if (header.factor !== 1) {
          throw new Error('The pixel mask is too large.');
        }
        return arrays.data.values;
      });
    return this.maskArray;
  }
}

/** A tile of a whole frame, pooled as the server does: what is masked or means "no value" does not count. */
export function cutTile(
  { values, shape }: Pick<IArray, 'values' | 'shape'>,
  mask: Values | undefined,
  sentinels: readonly number[],
  reduce: Exclude<Reducer, 'first'>,
  { level, row, column }: { level: number; row: number; column: number }
): IPicture {
  const [height, width] = shape;
  const factor = 2 ** level;
  const [y0, x0] = [row * TILE * factor, column * TILE * factor];
  const rows = Math.ceil(Math.min(TILE * factor, height - y0) / factor);
  const columns = Math.ceil(Math.min(TILE * factor, width - x0) / factor);
  const data = new Float32Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      let value = NaN;
      let count = 0;
      const bottom = Math.min(y0 + (y + 1) * factor, height);
      const right = Math.min(x0 + (x + 1) * factor, width);
      for (let py = y0 + y * factor; py < bottom; py++) {
        for (let i = py * width + x0 + x * factor; i < py * width + right; i++) {
          const stored = Number(values[i]);
          if (stored !== stored || (mask && Number(mask[i]) !== 0) || sentinels.includes(stored)) {
            continue;
          }
          value = count === 0 ? stored : reduce === 'max' ? Math.max(value, stored) : reduce === 'min' ? Math.min(value, stored) : value + stored;
          count++;
        }
      }
      data[y * columns + x] = reduce === 'mean' && count > 0 ? value / count : value;
    }
  }
  return { data, height: rows, width: columns };
}
