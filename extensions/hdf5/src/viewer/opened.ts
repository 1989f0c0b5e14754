import { useEffect, useRef, useState } from 'react';
import type { IAnswer, IClient, IArray } from '../api/client';
import { asProblem, isAbort } from '../api/problems';
import type { IEntity, IFileInfo, ILineHeader, IOpen, IProblem, IViewHeader } from '../api/types';
import { PAGE } from '../browser/model';
import type { TreeModel } from '../browser/model';
import { carryOver } from '../state/keep';
import type { ViewMemory } from '../state/memory';
import type { ViewStore } from '../state/store';

export interface IOpened {
  file: IFileInfo;
  entity: IEntity;
  first?: IAnswer<IViewHeader> | IAnswer<ILineHeader>;
  /** Axis values by dimension, where they came along. */
  arrays: Record<string, IArray>;
}

export interface IOpening {
  opened: IOpened | null;
  problem: IProblem | null;
  busy: boolean;
}

interface IParameters {
  client: IClient;
  store: ViewStore;
  model: TreeModel;
  memory: ViewMemory;
  h5path: string;
  revision: number;
  size(): { width: number; height: number };
}

/**
 * Open the file at an object with one request: tree, entity and first picture.
 *
 * An empty path is the file's default, whose path is then put into the state without asking again. After a change of the file the
 * old stays in sight until the new is here.
 */
export function useOpened(parameters: IParameters): IOpening {
  const { client, store, model, memory, h5path, revision, size } = parameters;
  const [opening, setOpening] = useState<IOpening>({ opened: null, problem: null, busy: true });
  const known = useRef<{ client: IClient; h5path: string; revision: number } | null>(null);
  useEffect(() => {
    const has = known.current;
    if (has && has.client === client && has.h5path === h5path && has.revision === revision) {
      return;
    }
    const abort = new AbortController();
    const again = has?.client === client && has.h5path === h5path;
    setOpening(before => (again ? { ...before, busy: true } : { opened: before.opened, problem: null, busy: true }));
    const parameters = { h5path: h5path || undefined, slice: store.get().slice, ...size(), limit: PAGE, sort: model.sort };
    const asked = client.arrays<IOpen>('open', parameters, abort.signal);
    const taken = asked.then(
      answer => {
        if (abort.signal.aborted) {
          return;
        }
        const { root, ancestors, entity } = answer.header;
        known.current = { client, h5path: entity.h5path, revision };
        setOpening({ opened: opened(answer), problem: null, busy: false });
        if (!again) {
          const state = { ...store.get(), h5path: entity.h5path };
          store.set(carryOver(state, memory.last, memory.keep(), entity));
        }
        model.adopt(root, ...ancestors);
      },
      error => {
        if (!abort.signal.aborted && !isAbort(error)) {
          known.current = { client, h5path, revision };
          setOpening(before => ({ opened: again ? before.opened : null, problem: asProblem(error), busy: false }));
        }
      }
    );
    model.awaitPages(taken);
    return () => abort.abort();
  }, [client, store, model, memory, h5path, revision, size]);
  return opening;
}

function opened({ header, arrays, stored, nbytes }: IAnswer<IOpen>): IOpened {
  const { file, entity, view, line } = header;
  const found = view ?? line;
  const first = found && ({ header: found, arrays, stored, nbytes } as IAnswer<IViewHeader> | IAnswer<ILineHeader>);
  return { file, entity, first, arrays };
}
