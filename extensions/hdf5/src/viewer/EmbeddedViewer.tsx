import { useEffect, useMemo, useRef } from 'react';
import type { ReactElement } from 'react';
import type { IClient } from '../api/client';
import { TreeModel } from '../browser/model';
import { ViewMemory } from '../state/memory';
import { ViewStore } from '../state/store';
import type { IViewState } from '../state/viewState';
import type { IHost } from './host';
import { DEFAULTS } from './options';
import type { IViewerOptions } from './options';
import { Viewer } from './Viewer';

export interface IEmbeddedViewerProps {
  client: IClient;
  clientFor?: (path: string) => IClient;
  /** Shown first; a new object is adopted. */
  initial: IViewState;
  /** Told of what the person changes, not of what was adopted. */
  onState: (state: IViewState) => void;
  theme: 'light' | 'dark';
  host?: IHost;
  options?: Partial<IViewerOptions>;
}

const NO_HOST: IHost = {};

/** The viewer outside of a document: in a notebook's cell. It fills its container. */
export function EmbeddedViewer(props: IEmbeddedViewerProps): ReactElement {
  const { client, clientFor, initial, onState, theme, host = NO_HOST, options } = props;
  const store = useMemo(() => new ViewStore(initial), [client]); // eslint-disable-line react-hooks/exhaustive-deps
  const all = useMemo(() => ({ ...DEFAULTS, showTree: false, ...options }), [options]);
  const model = useMemo(() => new TreeModel(client, client.path.split('/').pop() || client.path, all.sort), [client, all.sort]);
  const memory = useMemo(() => new ViewMemory(all.keepView), [all.keepView]);
  const adopting = useRef(false);
  const tell = useRef(onState);
  tell.current = onState;
  useEffect(() => store.subscribe(() => !adopting.current && tell.current(store.get())), [store]);
  useEffect(() => {
    adopting.current = true;
    store.set(initial);
    adopting.current = false;
  }, [store, initial]);
  return (
    <Viewer
      client={client}
      clientFor={clientFor ?? (() => client)}
      store={store}
      model={model}
      memory={memory}
      host={host}
      options={all}
      theme={theme}
      visible
    />
  );
}
