import { useEffect, useMemo, useRef, useState } from 'react';
import type { IAnswer, IClient } from '../../api/client';
import type { IProblem, IViewHeader } from '../../api/types';
import { aborted, problemOf } from '../errors';
import { LatestSlot } from '../latest';
import { parseSlice, withEntry, formatSlice } from '../slices';
import { useLatest } from '../same';
import { FrameSource, frameOf, suits, type ICanvasSize, type IFrame, type IFrameOptions } from './frames';

export interface IShown {
  frame?: IFrame;
  problem?: IProblem;
  pending: boolean;
  retry: () => void;
}

const PLAYABLE_STEP = 10;

/** The next slice in the direction of the last step, if the step was of one dimension. */
export function nextSlice(previous: string | undefined, current: string): string | undefined {
  if (previous === undefined) {
    return undefined;
  }
  const ndim = current.split(',').length;
  const [before, now] = [parseSlice(previous, ndim), parseSlice(current, ndim)];
  const changed = now.flatMap((entry, d) => (entry !== before[d] ? [d] : []));
  if (changed.length !== 1) {
    return undefined;
  }
  const [dimension] = changed;
  const [from, to] = [before[dimension], now[dimension]];
  if (typeof from !== 'number' || typeof to !== 'number' || Math.abs(to - from) > PLAYABLE_STEP) {
    return undefined;
  }
  const next = to + (to - from);
  return next < 0 ? undefined : formatSlice(withEntry(now, dimension, next));
}

const revisions = new WeakMap<object, number>();

/** Whether an answer is of the file as it is now: it is, as long as the file has not changed since the answer was first seen. */
export function isFresh(answer: object, revision: number): boolean {
  if (!revisions.has(answer)) {
    revisions.set(answer, revision);
  }
  return revisions.get(answer) === revision;
}

/** The frame to draw for `slice`. The one before stays until it is there. Nothing is asked for before the canvas has a size. */
export function useFrame(
  client: IClient,
  options: IFrameOptions,
  slice: string,
  shape: readonly number[],
  first: IAnswer<IViewHeader> | undefined,
  revision: number,
  canvas: ICanvasSize | undefined
): IShown {
  const { h5path, reduce, mask } = options;
  // a changed file makes everything that is kept worthless
  const [source, slot] = useMemo(() => {
    const made = new FrameSource(client, { h5path, reduce, mask });
    if (first && isFresh(first, revision) && suits(first, made.options)) {
      made.put(frameOf(first.header.slice, first));
    }
    return [made, new LatestSlot()] as const;
  }, [client, h5path, reduce, mask, revision, first]);
  const lengths = useLatest(shape);
  const [shown, setShown] = useState<Omit<IShown, 'retry'>>(() => ({
    frame: source.cached(slice, undefined) ?? source.early(slice),
    pending: true
  }));
  const [attempt, setAttempt] = useState(0);
  const previous = useRef<string>();
  useEffect(
    () => () => {
      slot.stop();
      source.cancelPrefetch();
    },
    [slot, source]
  );

  useEffect(() => {
    if (!canvas) {
      return;
    }
    const next = nextSlice(previous.current, slice);
    previous.current = slice;
    const prefetch = () => {
      if (next !== undefined && parseSlice(next, next.split(',').length).every((entry, d) => typeof entry !== 'number' || entry < lengths.current[d])) {
        source.prefetch(next, canvas);
      }
    };
    const cached = source.cached(slice, canvas);
    if (cached) {
      slot.stop();
      setShown({ frame: cached, pending: false });
      prefetch();
      return;
    }
    const early = source.early(slice);
    setShown(old => ({ ...old, frame: early ?? old.frame, problem: undefined, pending: true }));
    slot.run(async signal => {
      try {
        for await (const frame of source.load(slice, canvas, signal)) {
          if (signal.aborted) {
            return;
          }
          setShown({ frame, pending: !frame.header.complete });
        }
        prefetch();
      } catch (error) {
        if (!signal.aborted && !aborted(error)) {
          setShown(old => ({ frame: old.frame, problem: problemOf(error), pending: false }));
        }
      }
    });
  }, [source, slot, slice, canvas, attempt, lengths]);
  return { ...shown, retry: () => setAttempt(n => n + 1) };
}
