import { useEffect, useRef, useState } from 'react';
import type { IClient } from '../api/client';
import type { IAxis, IProblem } from '../api/types';
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

/** A one-dimensional data set's values as numbers, exact up to 2^53. */
export async function fetchNumbers(
  client: IClient,
  h5path: string,
  slice: string | undefined,
  signal?: AbortSignal
): Promise<Float64Array> {
  const answer = await client.arrays('frame', { h5path, slice, encoding: 'raw' }, signal);
  const array = answer.arrays.data ?? Object.values(answer.arrays)[0];
  return Float64Array.from(array.values as ArrayLike<number | bigint> as ArrayLike<number>, Number);
}

/** Values of the axes by dimension: from `given` if they came along, else asked for. An axis that fails is an index axis. */
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
  if (key === null) {
    return given ?? {};
  }
  if (fetched.pending && !fetched.value) {
    return undefined;
  }
  return { ...given, ...fetched.value };
}
