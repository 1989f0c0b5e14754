import { useEffect, useRef, useState } from 'react';
import type { IClient } from '../api/client';
import type { ILiveState, IProblem } from '../api/types';

/** A growing file changes many times a second; more pictures than this nobody sees. */
const SHORTEST_MS = 150;

export interface ILive {
  /** Counts up when the file changed: what was read before is old. */
  revision: number;
  state: ILiveState | null;
  /** It vanished, or can't be read at the moment. */
  problem: IProblem | null;
}

/** Follow one data set of a file while it is in sight. */
export function useLive(client: IClient, h5path: string, enabled: boolean): [ILive, () => void] {
  const [live, setLive] = useState<ILive>({ revision: 0, state: null, problem: null });
  const before = useRef<string | null>(null);
  useEffect(() => {
    before.current = null;
  }, [client]);
  useEffect(() => {
    if (!enabled || !h5path) {
      return;
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    let newest: ILiveState | null = null;
    let last = 0;
    const take = (): void => {
      timer = undefined;
      last = Date.now();
      const state = newest as ILiveState;
      const stamp = `${state.mtime_ns} ${state.size}`;
      const changed = before.current !== null && before.current !== `${stamp} ${h5path} ${state.shape}`;
      const sameObject = before.current?.includes(` ${h5path} `) ?? false;
      const touched = before.current !== null && !before.current.startsWith(stamp);
      before.current = `${stamp} ${h5path} ${state.shape}`;
      if (state.error) {
        setLive(now => ({ ...now, problem: state.error as IProblem }));
        return;
      }
      const renewed = changed && (sameObject || touched);
      if (renewed) {
        client.forget?.();
      }
      setLive(now => ({ revision: now.revision + (renewed ? 1 : 0), state, problem: null }));
    };
    const stop = client.follow(h5path, state => {
      newest = state;
      timer ??= setTimeout(take, Math.max(0, SHORTEST_MS - (Date.now() - last)));
    });
    setLive(now => ({ ...now, state: null }));
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [client, h5path, enabled]);
  const reload = (): void => {
    client.forget?.();
    setLive(now => ({ ...now, revision: now.revision + 1, problem: null }));
  };
  return [live, reload];
}
