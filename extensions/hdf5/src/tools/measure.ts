import { useEffect, useRef, useState } from 'react';
import type { IAnswer, IClient, Parameters } from '../api/client';
import type { IProblem, ITraceHeader } from '../api/types';
import { aborted, problemOf } from '../vis/errors';

/** A measurement over a whole stack, as far as it has come. */
export interface ITrace {
  header?: ITraceHeader;
  /** One value for each index along the axis; NaN where it is not there yet. */
  arrays: Record<string, Float64Array>;
  problem?: IProblem;
  pending: boolean;
}

/** Put a part of a streamed measurement where it belongs. A part is everything so far, or what is new. */
export function fillIn(arrays: Record<string, Float64Array>, answer: IAnswer<ITraceHeader>): Record<string, Float64Array> {
  const { length, done } = answer.header;
  const filled: Record<string, Float64Array> = {};
  for (const [name, array] of Object.entries(answer.arrays)) {
    const values = Float64Array.from(array.values as ArrayLike<number>, Number);
    const target = arrays[name]?.length === length ? arrays[name].slice() : new Float64Array(length).fill(NaN);
    const known = values.length === length ? values.subarray(0, Math.max(done, 0)) : values;
    const begin = values.length === length || values.length === done ? 0 : done - values.length;
    target.set(known.subarray(0, Math.max(0, length - Math.max(begin, 0))), Math.max(begin, 0));
    filled[name] = target;
  }
  return filled;
}

const SETTLED_MS = 120;

/** Ask for a streamed measurement; the plot fills in while it comes. `parameters` null: nothing to measure. */
export function useTrace(client: IClient, operation: 'roi' | 'trace', parameters: Parameters | null, revision: number): ITrace {
  const [trace, setTrace] = useState<ITrace>({ arrays: {}, pending: false });
  const key = parameters && JSON.stringify([client.path, parameters, revision]);
  const latest = useRef(parameters);
  latest.current = parameters;
  useEffect(() => {
    if (key === null) {
      setTrace({ arrays: {}, pending: false });
      return;
    }
    const abort = new AbortController();
    setTrace(old => ({ ...old, problem: undefined, pending: true }));
    // a region that is being dragged is measured where it comes to rest
    const timer = setTimeout(async () => {
      let arrays: Record<string, Float64Array> = {};
      try {
        for await (const answer of client.stream<ITraceHeader>(operation, latest.current!, abort.signal)) {
          if (abort.signal.aborted) {
            return;
          }
          arrays = fillIn(arrays, answer);
          setTrace({ header: answer.header, arrays, pending: !answer.header.complete });
        }
      } catch (error) {
        if (!abort.signal.aborted && !aborted(error)) {
          setTrace(old => ({ ...old, problem: problemOf(error), pending: false }));
        }
      }
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key, client, operation]);
  return trace;
}

export interface ISettled<T> {
  value?: T;
  problem?: IProblem;
  pending: boolean;
}

/** Ask once the parameters have come to rest; the last answer stays until the next is there. */
export function useSettled<H>(client: IClient, operation: string, parameters: Parameters | null, revision: number): ISettled<IAnswer<H>> {
  const [settled, setSettled] = useState<ISettled<IAnswer<H>>>({ pending: false });
  const key = parameters && JSON.stringify([client.path, operation, parameters, revision]);
  const latest = useRef(parameters);
  latest.current = parameters;
  useEffect(() => {
    if (key === null) {
      setSettled({ pending: false });
      return;
    }
    const abort = new AbortController();
    setSettled(old => ({ ...old, pending: true }));
    const timer = setTimeout(() => {
      client.arrays<H>(operation, latest.current!, abort.signal).then(
        value => !abort.signal.aborted && setSettled({ value, pending: false }),
        error => !abort.signal.aborted && !aborted(error) && setSettled({ problem: problemOf(error), pending: false })
      );
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key, client, operation]);
  return settled;
}

/** `useSettled` for an answer that is only JSON. */
export function useSettledJson<T>(client: IClient, operation: string, parameters: Parameters | null, revision: number): ISettled<T> {
  const [settled, setSettled] = useState<ISettled<T>>({ pending: false });
  const key = parameters && JSON.stringify([client.path, operation, parameters, revision]);
  const latest = useRef(parameters);
  latest.current = parameters;
  useEffect(() => {
    if (key === null) {
      setSettled({ pending: false });
      return;
    }
    const abort = new AbortController();
    setSettled(old => ({ ...old, pending: true }));
    const timer = setTimeout(() => {
      client.json<T>(operation, latest.current!, abort.signal).then(
        value => !abort.signal.aborted && setSettled({ value, pending: false }),
        error => !abort.signal.aborted && !aborted(error) && setSettled({ problem: problemOf(error), pending: false })
      );
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key, client, operation]);
  return settled;
}
