import { describe, expect, it, vi } from 'vitest';
import type { IClient } from '../../api/client';
import type { IStorage } from '../../api/types';
import { cutTile, ExactFrames, isPassedThrough } from '../image/exact';
import { TILE } from '../image/tiles';

const storage = (over: Partial<IStorage> = {}): IStorage => ({
  layout: 'chunked',
  chunks: [1, 300, 400],
  filters: [{ id: 32008, name: 'bitshuffle', options: [], available: true }],
  stored: 1,
  nbytes: 20 * 300 * 400 * 4,
  ...over
});

describe('frames as they are stored', () => {
  it('are passed on where each image is one chunk that the browser can decode', () => {
    const shape = [20, 300, 400];
    expect(isPassedThrough(storage(), shape, 1, 2)).toBe(true);
    expect(isPassedThrough(storage(), shape, 2, 1)).toBe(false);
    expect(isPassedThrough(storage(), shape, 0, 2)).toBe(false);
    expect(isPassedThrough(storage({ chunks: [1, 100, 400] }), shape, 1, 2)).toBe(false);
    expect(isPassedThrough(storage({ filters: [] }), shape, 1, 2)).toBe(false);
    expect(isPassedThrough(storage({ filters: [{ id: 1, name: 'deflate', options: [], available: true }] }), shape, 1, 2)).toBe(false);
    expect(isPassedThrough(storage({ nbytes: 1e12 }), shape, 1, 2)).toBe(false);
    expect(isPassedThrough(storage({ layout: 'contiguous', chunks: undefined }), shape, 1, 2)).toBe(false);
    expect(isPassedThrough(undefined, shape, 1, 2)).toBe(false);
  });

  it('are cut into tiles without what does not count', () => {
    const values = Uint32Array.from([1, 9, 2, 3, 4, 4294967295, 5, 6, 7, 8, 4294967295, 4294967295]);
    const mask = Uint8Array.from([0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const frame = { values, shape: [3, 4] };
    const at = (level: number) => ({ level, row: 0, column: 0 });
    expect([...cutTile(frame, mask, [4294967295], 'max', at(0)).data]).toEqual([1, NaN, 2, 3, 4, NaN, 5, 6, 7, 8, NaN, NaN]);
    expect(cutTile(frame, mask, [4294967295], 'max', at(1))).toEqual({ data: Float32Array.from([4, 6, 8, NaN]), height: 2, width: 2 });
    expect([...cutTile(frame, mask, [4294967295], 'mean', at(1)).data]).toEqual([2.5, 4, 7.5, NaN]);
    expect([...cutTile(frame, undefined, [], 'min', at(1)).data]).toEqual([1, 2, 7, 4294967296]);
  });

  it('have smaller tiles at their edges', () => {
    const frame = { values: new Uint8Array(300 * 700), shape: [300, 700] };
    expect(cutTile(frame, undefined, [], 'max', { level: 0, row: 1, column: 2 })).toMatchObject({ height: 300 - TILE, width: 700 - 2 * TILE });
  });

  it('are asked for once, and the server cuts where they can not be decoded', async () => {
    const values = Uint16Array.from({ length: 16 }, (_, i) => i);
    const arrays = vi.fn(async (_operation: string, { slice }: { slice: string }) => {
      if (slice === 'bad') {
        throw new Error('no');
      }
      return { header: {}, arrays: { data: { dtype: '<u2', shape: [4, 4], values } }, stored: {}, nbytes: 0 };
    });
    const fallback = vi.fn(async () => ({ data: Float32Array.from([42]), height: 1, width: 1 }));
    const load = new ExactFrames({ arrays } as unknown as IClient, '/d', { mask: undefined, sentinels: [3] }, undefined).tiles(fallback);
    const signal = new AbortController().signal;
    const key = { slice: '0, :, :', level: 1, row: 0, column: 0 };
    const [tile] = await Promise.all([load(key, signal), load({ ...key, level: 0 }, signal)]);
    expect([...tile.data]).toEqual([5, 7, 13, 15]);
    expect(arrays).toHaveBeenCalledOnce();
    expect((await load({ ...key, slice: 'bad' }, signal)).data[0]).toBe(42);
    expect(fallback).toHaveBeenCalledOnce();
  });
});
