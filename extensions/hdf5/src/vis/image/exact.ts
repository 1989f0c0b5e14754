import type { IClient } from '../../api/client';
import type { IEntity } from '../../api/types';
import { decodeChunk } from '../../decode';
import { ByteCache } from '../latest';
import type { IArray } from '../../api/client';

const BUDGET = 128 * 2 ** 20;
const LARGEST = 64 * 2 ** 20;
const BITSHUFFLE = 32008;
const LZ4 = 32004;

/** Whole frames with every pixel as stored, decoded in the browser from the chunks as they lie in the file. */
export class ExactFrames {
  private readonly cache = new ByteCache<IArray>(BUDGET);
  private readonly running = new Map<string, Promise<IArray>>();

  constructor(
    private readonly client: IClient,
    private readonly h5path: string
  ) {}

  cached(slice: string): IArray | undefined {
    return this.cache.get(slice);
  }

  load(slice: string, signal?: AbortSignal): Promise<IArray> {
    const cached = this.cache.get(slice);
    if (cached) {
      return Promise.resolve(cached);
    }
    let running = this.running.get(slice);
    if (!running) {
      running = this.fetch(slice, signal).finally(() => this.running.delete(slice));
      this.running.set(slice, running);
    }
    return running;
  }

  private async fetch(slice: string, signal: AbortSignal | undefined): Promise<IArray> {
    const answer = await this.client.arrays('frame', { h5path: this.h5path, slice, encoding: 'stored' }, signal);
    const stored = Object.values(answer.stored)[0];
    const array = stored ? upright(await decodeChunk(stored)) : Object.values(answer.arrays)[0];
    this.cache.set(slice, array, array.values.byteLength);
    return array;
  }
}

/** A chunk of a stack is [1, height, width]. */
function upright(array: IArray): IArray {
  const shape = array.shape.slice(-2);
  return { ...array, shape };
}

/** Whether a frame of this data set is one chunk that can be passed on as stored. */
export function isPassedThrough(entity: IEntity, yDimension: number, xDimension: number): boolean {
  const { storage, shape } = entity;
  if (!storage?.chunks || !shape || storage.layout !== 'chunked' || storage.filters.length !== 1) {
    return false;
  }
  const { chunks } = storage;
  const whole = chunks.every((length, d) => length === (d === yDimension || d === xDimension ? shape[d] : 1));
  const known = [BITSHUFFLE, LZ4].includes(storage.filters[0].id);
  const nbytes = storage.nbytes / shape.reduce((n, length, d) => (d === yDimension || d === xDimension ? n : n * length), 1);
  return whole && known && nbytes <= LARGEST && yDimension === shape.length - 2 && xDimension === shape.length - 1;
}
