import { describe, expect, it, vi } from 'vitest';
import type { IAnswer, IClient } from '../../api/client';
import type { IViewHeader } from '../../api/types';
import { fineEnough, FrameSource, neededFactor } from '../image/frames';
import { levelFor, tileName, tilesIn } from '../image/tiles';
import { isFresh, nextSlice } from '../image/useFrame';
import { ByteCache, LatestSlot } from '../latest';
import { SightStore } from '../sightStore';

const settle = () => new Promise(resolve => setTimeout(resolve, 5));

describe('the latest wins', () => {
  it('finishes what runs, then does only the newest of what waited', async () => {
    const slot = new LatestSlot();
    const done: number[] = [];
    const gates: (() => void)[] = [];
    for (let i = 0; i < 5; i++) {
      slot.run(async () => {
        await new Promise<void>(resolve => gates.push(resolve));
        done.push(i);
      });
    }
    gates[0]();
    await settle();
    gates[1]();
    await settle();
    expect(done).toEqual([0, 4]);
  });

  it('goes on after a failure, and stops when told to', async () => {
    const slot = new LatestSlot();
    slot.run(() => Promise.reject(new Error('no')));
    await settle();
    const ran = vi.fn(async (signal: AbortSignal) => {
      await settle();
      expect(signal.aborted).toBe(true);
    });
    slot.run(ran);
    slot.stop();
    await settle();
    expect(ran).toHaveBeenCalledOnce();
  });
});

describe('a cache of bytes', () => {
  it('forgets what was not used for longest', () => {
    const cache = new ByteCache<string>(100);
    cache.set('a', 'A', 40);
    cache.set('b', 'B', 40);
    cache.get('a');
    cache.set('c', 'C', 40);
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual(['A', undefined, 'C']);
    cache.set('huge', 'H', 1000);
    expect(cache.get('huge')).toBe('H');
    expect(cache.nbytes).toBe(1000);
  });
});

describe('what is in sight', () => {
  it('is asked for a few at once, aborted out of sight, and kept', async () => {
    const store = new SightStore<number>(1000, () => 1);
    const signals = new Map<string, AbortSignal>();
    const finish = new Map<string, (value: number) => void>();
    const piece = (name: string) => ({
      name,
      load: (signal: AbortSignal) => {
        signals.set(name, signal);
        return new Promise<number>(resolve => finish.set(name, resolve));
      }
    });
    const names = Array.from({ length: 9 }, (_, i) => `t${i}`);
    store.want(names.map(piece));
    expect(signals.size).toBe(6);
    store.want(['t0', 't8'].map(piece));
    expect(signals.get('t0')!.aborted).toBe(false);
    expect(signals.get('t1')!.aborted).toBe(true);
    const changed = vi.fn();
    store.subscribe(changed);
    finish.get('t0')!(7);
    finish.get('t8')!(8);
    finish.get('t1')!(1);
    await settle();
    expect([store.get('t0'), store.get('t8'), store.get('t1')]).toEqual([7, 8, undefined]);
    expect(changed).toHaveBeenCalledTimes(2);
    expect(store.complete).toBe(true);
  });

  it('has holes where a piece fails, after a few tries', async () => {
    vi.useFakeTimers();
    const store = new SightStore<number>(1000, () => 1);
    const load = vi.fn(() => Promise.reject(new Error('damaged')));
    store.want([{ name: 'x', load }]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(load).toHaveBeenCalledTimes(3);
    expect(store.get('x')).toBeUndefined();
    expect(String(store.failure('x'))).toContain('damaged');
    expect(store.complete).toBe(true);
    vi.useRealTimers();
  });
});

describe('tiles', () => {
  it('have pixels that are no smaller than those of the screen', () => {
    expect([0.2, 1, 1.01, 2, 3, 4, 5].map(levelFor)).toEqual([0, 0, 1, 1, 2, 2, 3]);
  });

  it('cover what is in sight, from its middle, and nothing beside the image', () => {
    const keys = tilesIn('0, :, :', 1, [-50, 1100, 600, 5000], { height: 1000, width: 1500 });
    expect(keys.map(key => [key.row, key.column]).sort()).toEqual([
      [0, 1],
      [0, 2],
      [1, 1],
      [1, 2]
    ]);
    expect(tilesIn('', 0, [0, 2560, 0, 2560], { height: 2560, width: 2560 })[0]).toMatchObject({ row: 4, column: 4 });
    expect(tilesIn('', 0, [5000, 6000, 0, 10], { height: 1000, width: 1000 })).toEqual([]);
    expect(tileName({ slice: '3, :, :', level: 2, row: 1, column: 0 })).toBe('3, :, :/2/1/0');
  });
});

describe('frames', () => {
  it('are foreseen in the direction of play', () => {
    expect(nextSlice('3, :, :', '4, :, :')).toBe('5, :, :');
    expect(nextSlice('4, :, :', '3, :, :')).toBe('2, :, :');
    expect(nextSlice('1, :, :', '0, :, :')).toBeUndefined();
    expect(nextSlice('1, 1, :, :', '2, 2, :, :')).toBeUndefined();
    expect(nextSlice('1, :, :', '90, :, :')).toBeUndefined();
    expect(nextSlice(undefined, '1, :, :')).toBeUndefined();
  });

  it('need no more detail than the canvas has pixels', () => {
    expect(neededFactor({ width: 2070, height: 2167 }, { width: 1024, height: 768 })).toBe(3);
    expect(neededFactor({ width: 100, height: 100 }, { width: 1024, height: 768 })).toBe(1);
    const frame = { header: { factor: 2, size: { width: 2070, height: 2167 } } } as never;
    expect(fineEnough(frame, { width: 1024, height: 768 })).toBe(true);
    expect(fineEnough(frame, { width: 2048, height: 2048 })).toBe(true);
    expect(fineEnough(frame, { width: 4096, height: 4096 })).toBe(false);
  });

  const answer = (slice: string, complete = true): IAnswer<IViewHeader> => ({
    header: { slice, h5path: '/d', complete, fill: null, factor: 1, size: { width: 2, height: 1 }, window: [0, 1, 0, 2] } as unknown as IViewHeader,
    arrays: { data: { dtype: '<f4', shape: [1, 2], values: Float32Array.from([1, 2]) } },
    stored: {},
    nbytes: 8
  });

  it('come in parts, are kept when complete, and are prefetched once', async () => {
    const stream = vi.fn(async function* (_operation: string, { slice }: { slice: string }) {
      yield answer(slice, false);
      yield answer(slice);
    });
    const arrays = vi.fn(async (_operation: string, { slice }: { slice: string }) => answer(slice));
    const source = new FrameSource({ stream, arrays } as unknown as IClient, { h5path: '/d', reduce: undefined, mask: undefined });
    const canvas = { width: 100, height: 100 };
    const load = async (slice: string) => {
      const seen: boolean[] = [];
      for await (const frame of source.load(slice, canvas, new AbortController().signal)) {
        seen.push(frame.header.complete);
      }
      return seen;
    };
    expect(await load('0, :, :')).toEqual([false, true]);
    expect(await load('0,:,:')).toEqual([true]);
    expect(stream).toHaveBeenCalledOnce();
    source.prefetch('1, :, :', canvas);
    source.prefetch('1, :, :', canvas);
    expect(await load('1, :, :')).toEqual([true]);
    expect(arrays).toHaveBeenCalledOnce();
    expect(stream).toHaveBeenCalledOnce();
  });

  it('that came with the file are used until the file changes', () => {
    const first = answer('0, :, :');
    expect(isFresh(first, 0)).toBe(true);
    expect(isFresh(first, 0)).toBe(true);
    expect(isFresh(first, 1)).toBe(false);
    expect(isFresh(answer('0, :, :'), 1)).toBe(true);
  });
});
