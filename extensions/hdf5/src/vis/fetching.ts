import { useEffect, useMemo, useRef, useState } from 'react';
import type { IClient } from '../api/client';
import type { IAxis, ILineHeader, IProblem } from '../api/types';
import { aborted, problemOf } from './errors';

export interface IFetched<T> {
  value?: T;
  problem?: IProblem;
  pending: boolean;
}

/** What `ask` answers, asked again when `key` changes; the last answer stays until the next is there. */
export function useFetched<T>(key: string | null, ask: (signal: AbortSignal) => Promise<T>): IFetched<T> {
  const [fetched, setFetched] = useState<IFetched<T>>({ pending: key !== null });
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    if (key === null) {
      setFetched({ pending: false });
      return;
    }
    const abort = new AbortController();
    setFetched(old => ({ ...old, problem: undefined, pending: true }));
    latest.current(abort.signal).then(
      value => {
        if (!abort.signal.aborted) {
          setFetched({ value, pending: false });
        }
      },
      error => {
        if (!abort.signal.aborted && !aborted(error)) {
          setFetched({ problem: problemOf(error), pending: false });
        }
      }
    );
    return () => abort.abort();
  }, [key]);
  return fetched;
}

/** More samples than this of an axis or a scatter plot are not asked for. */
export const MOST_SAMPLES = 100_000;

const AT_ONCE = 4;

/** A one-dimensional data set's values as numbers, exact up to 2^53. An answer holds a few thousand; longer ones come in parts. */
export async function fetchNumbers(
  client: IClient,
  h5path: string,
  slice: string | undefined,
  signal?: AbortSignal
): Promise<Float64Array> {
  const ask = (range?: [number, number]) =>
    client.arrays<ILineHeader>('line', { h5path, slice, range: range?.join(','), points: MOST_SAMPLES }, signal);
  const numbers = (values: ArrayLike<number | bigint>) => Float64Array.from(values as ArrayLike<number>, Number);
  const whole = await ask();
  const { length, bucket } = whole.header;
  if (bucket === 1) {
    return numbers(whole.arrays.first.values);
  }
  if (length > MOST_SAMPLES) {
    throw new Error(`${h5path} has ${length} values, which are too many for an axis.`);
  }
  const found = new Float64Array(length);
  // with smallest and largest values beside them, fewer fit into an answer than without
  const part = whole.arrays.first.values.length;
  const begins = Array.from({ length: Math.ceil(length / part) }, (_, i) => i * part);
  const next = async (): Promise<void> => {
    for (let begin = begins.shift(); begin !== undefined; begin = begins.shift()) {
      const answer = await ask([begin, Math.min(begin + part, length)]);
      found.set(numbers(answer.arrays.first.values), begin);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return found;
}

/**
 * Values of the axes by dimension: from `given` if they came along, else asked for. An axis that fails is an index axis. The same
 * object as long as they are the same.
 */
export function useAxisValues(
  client: IClient,
  axes: readonly IAxis[],
  given: Record<number, ArrayLike<number>> | undefined,
  revision: number
): Record<number, ArrayLike<number>> | undefined {
  const wanted = axes.filter(axis => axis.has_values && axis.h5path !== undefined);
  const missing = wanted.filter(axis => given?.[axis.dimension] === undefined);
  const key = missing.length > 0 ? JSON.stringify([client.path, revision, missing.map(axis => [axis.dimension, axis.h5path])]) : null;
  const fetched = useFetched(key, async signal => {
    const lists = await Promise.all(
      missing.map(axis =>
        fetchNumbers(client, axis.h5path!, undefined, signal).catch((error: unknown) => {
          if (aborted(error)) {
            throw error;
          }
          return undefined;
        })
      )
    );
    return Object.fromEntries(
      missing.flatMap((axis, i) => (lists[i] ? [[axis.dimension, lists[i] as ArrayLike<number>]] : []))
    ) as Record<number, ArrayLike<number>>;
  });
  const found = key === null ? undefined : fetched.value;
  const all = useMemo(() => ({ ...given, ...found }), [given, found]);
  return key !== null && fetched.pending && !fetched.value ? undefined : all;
}
