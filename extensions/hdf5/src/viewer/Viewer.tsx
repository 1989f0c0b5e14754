import { lazy, Suspense, useCallback, useEffect, useId, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { ReactElement } from 'react';
import type { IClient } from '../api/client';
import { Details } from '../browser/Details';
import { FileTree } from '../browser/FileTree';
import type { TreeModel } from '../browser/model';
import { Problem } from '../browser/Problem';
import type { ViewMemory } from '../state/memory';
import { asState, mappingOf, moveTo } from '../state/slicing';
import type { ViewStore } from '../state/store';
import type { IViewState } from '../state/viewState';
import { Boundary } from './Boundary';
import { Breadcrumb } from './Breadcrumb';
import { CheckPanel } from './CheckPanel';
import { axisNames, growingDimension, grown, shapeOf } from './dimensions';
import { DimensionBar } from './DimensionBar';
import { GroupOverview } from './GroupOverview';
import type { IHost } from './host';
import { useLive } from './live';
import { useOpened } from './opened';
import type { IOpened } from './opened';
import type { IViewerOptions } from './options';
import { Sources } from './Sources';
import { Tabs } from './Tabs';
import { Toolbar } from './Toolbar';
import type { Panel } from './Toolbar';

// three.js and h5web: only where a picture is shown
const loadVisualization = () => import('../vis').then(({ Visualization }) => ({ default: Visualization }));
const Visualization = lazy(loadVisualization);

/** Narrower than this there is no room for a tree beside the picture. */
const NARROW = 640;

export interface IViewerProps {
  client: IClient;
  clientFor: (path: string) => IClient;
  store: ViewStore;
  model: TreeModel;
  memory: ViewMemory;
  host: IHost;
  options: IViewerOptions;
  theme: 'light' | 'dark';
  /** Another tree of the same file is in sight, in the sidebar. */
  treeElsewhere?: boolean;
  /** Nobody follows a file that nobody sees. */
  visible: boolean;
}

/** One file: its tree, and what is selected in it as a picture, a curve, a table or words. */
export function Viewer(props: IViewerProps): ReactElement {
  const { client, store, model, memory, host, options, visible } = props;
  const state = useSyncExternalStore(store.subscribe, store.get);
  const box = useRef<HTMLDivElement>(null);
  const [tree, setTree] = useTree(box, options.showTree && !props.treeElsewhere);
  const [panel, setPanel] = useState<Panel>(null);
  const [followed, setFollowed] = useState('');
  const [live, reload] = useLive(client, followed, visible && options.live);
  const size = useCallback(() => pixels(box.current), []);
  const { opened, problem, busy } = useOpened({ client, store, model, memory, h5path: state.h5path, revision: live.revision, size });

  useEffect(() => {
    void loadVisualization().catch(() => undefined); // while the server answers; a failure shows where it is drawn
  }, []);
  useEffect(() => {
    if (live.revision > 0) {
      model.refresh();
    }
  }, [model, live.revision]);

  const entity = useMemo(() => opened && grown(opened.entity, live.state?.shape ?? null), [opened, live.state]);
  const current = entity !== null && entity.h5path === state.h5path;
  const signal = current ? (entity.plot?.signal ?? entity.h5path) : '';
  useEffect(() => setFollowed(signal), [signal]); // a group does not grow, its signal does
  useFollowLast(entity, state, store, current);
  useEffect(() => {
    if (current) {
      memory.last = { state: { ...state, vis: state.vis ?? entity.views[0] }, shape: shapeOf(entity) };
    }
  }, [memory, state, entity, current]);

  const select = useCallback(
    (h5path: string) => {
      if (h5path !== store.get().h5path) {
        store.set({ h5path, ...looks(store.get()) });
      }
    },
    [store]
  );
  const growing = current && entity !== null && maySlide(entity, state);
  return (
    <div ref={box} className="ph5-viewer" data-path={client.path} data-h5path={state.h5path} data-revision={live.revision} aria-busy={busy}>
      <Toolbar
        file={opened?.file ?? null}
        memory={memory}
        tree={tree}
        onTree={() => setTree(!tree)}
        panel={panel}
        onPanel={setPanel}
        follow={growing ? (state.follow ?? false) : undefined}
        onFollow={follow => store.change({ follow: follow || undefined })}
        onReload={reload}
        onCopyLink={host.copyLink && (() => host.copyLink?.(client.path, store.get()))}
        onInsertCode={host.insertCode && (() => host.insertCode?.({ path: client.path, h5path: state.h5path, slice: state.slice }))}
      />
      <div className="ph5-body">
        {tree && (
          <aside className="ph5-aside" aria-label="Tree">
            <FileTree model={model} selected={state.h5path} onSelect={select} host={host} />
          </aside>
        )}
        <div className="ph5-main">
          <Breadcrumb file={model.name} h5path={state.h5path} onSelect={select} />
          {live.problem && <Problem problem={live.problem} onRetry={reload} />}
          {problem && <Problem problem={problem} onRetry={reload} />}
          {opened && entity && !problem && <Shown {...props} opened={opened} entity={entity} state={state} revision={live.revision} onSelect={select} stale={!current} />}
          {!opened && !problem && <p className="ph5-note ph5-loading">Opening {model.name}…</p>}
        </div>
        {panel && opened && entity && (
          <aside className="ph5-aside ph5-mod-right" aria-label={panel === 'check' ? 'Check against NeXus' : 'Details'}>
            {panel === 'check' ? (
              <CheckPanel client={client} revision={live.revision} onSelect={select} />
            ) : (
              <Details client={client} entity={entity} host={host} colorMap={state.colorMap ?? options.colorMap} revision={live.revision} onSelect={select} />
            )}
          </aside>
        )}
      </div>
    </div>
  );
}

interface IShownProps extends IViewerProps {
  opened: IOpened;
  entity: IOpened['entity'];
  state: IViewState;
  revision: number;
  /** The answer for what was just selected is on its way; this is the one before. */
  stale: boolean;
  onSelect(h5path: string): void;
}

function Shown(props: IShownProps): ReactElement {
  const { client, clientFor, store, options, theme, opened, entity, state, revision, stale, onSelect, model } = props;
  const panel = useId();
  const settled = useRef(state);
  if (!stale) {
    settled.current = state;
  }
  const shown = settled.current;
  const view = shown.vis && entity.views.includes(shown.vis) ? shown.vis : entity.views[0];
  const names = view && axisNames(view, shapeOf(entity).length);
  const drawn = useMemo(() => withPreferences({ ...shown, vis: view }, options), [shown, view, options]);
  if (entity.error) {
    return <Problem problem={entity.error} />;
  }
  return (
    <>
      {entity.views.length > 1 && <Tabs views={entity.views} current={view} onChange={vis => store.change({ vis })} panel={panel} />}
      {entity.plot?.problems.map((problem, i) => <Problem key={i} problem={problem} note />)}
      <Sources state={shown} change={store.change} />
      {names && <DimensionBar entity={entity} arrays={opened.arrays} names={names} state={shown} change={store.change} />}
      <div id={panel} className="ph5-view" role={entity.views.length > 1 ? 'tabpanel' : undefined} aria-label={entity.views.length > 1 ? view : undefined} data-view={view} data-stale={stale || undefined}>
        <Boundary subject={`${client.path} ${entity.h5path} ${view} ${state.slice} ${revision}`}>
          {view === 'group' || view === undefined ? (
            <GroupOverview client={client} entity={entity} sort={model.sort} colorMap={drawn.colorMap ?? options.colorMap} revision={revision} onSelect={onSelect} />
          ) : (
            <Suspense fallback={<p className="ph5-note ph5-loading">Loading the view…</p>}>
              <Visualization
                client={client}
                clientFor={clientFor}
                entity={entity}
                state={drawn}
                change={store.change}
                first={opened.first}
                revision={revision}
                theme={theme}
              />
            </Suspense>
          )}
        </Boundary>
      </div>
    </>
  );
}

/** Preferences fill what the state leaves open; they are not put into links. */
function withPreferences(state: IViewState, options: IViewerOptions): IViewState {
  const { colorMap, reduce, mask, scale } = options;
  return { colorMap, reduce, mask, ...(scale === 'auto' ? {} : { scale }), ...state };
}

function looks({ colorMap, invertColorMap, keepAspect, reduce, mask }: IViewState): Partial<IViewState> {
  return { colorMap, invertColorMap, keepAspect, reduce, mask };
}

/** Whether there are frames to slide along. */
function maySlide(entity: IOpened['entity'], state: IViewState): boolean {
  const shape = shapeOf(entity);
  const names = axisNames(state.vis ?? entity.views[0], shape.length);
  return names !== null && shape.length > names.length;
}

/** Keep the slice at the end of what grows. */
function useFollowLast(entity: IOpened['entity'] | null, state: IViewState, store: ViewStore, current: boolean): void {
  useEffect(() => {
    if (!entity || !current || !state.follow) {
      return;
    }
    const shape = shapeOf(entity);
    const names = axisNames(state.vis ?? entity.views[0], shape.length);
    const mapping = mappingOf(shape, names?.length ?? 0, state.slice, state.axes);
    const dimension = growingDimension(entity, mapping.axes);
    if (names && dimension !== null) {
      store.change(asState(moveTo(mapping, dimension, shape[dimension] - 1, shape)));
    }
  }, [entity, state, store, current]);
}

/** Whether the tree is open: as preferred where there is room. */
function useTree(box: React.RefObject<HTMLElement>, preferred: boolean): [boolean, (open: boolean) => void] {
  const [open, setOpen] = useState<boolean | null>(null);
  const [roomy, setRoomy] = useState(true);
  useEffect(() => {
    const element = box.current;
    if (!element) {
      return;
    }
    const observer = new ResizeObserver(() => element.clientWidth && setRoomy(element.clientWidth >= NARROW));
    observer.observe(element);
    return () => observer.disconnect();
  }, [box]);
  return [open ?? (preferred && roomy), setOpen];
}

/** How many pixels a first picture may have. */
function pixels(element: HTMLElement | null): { width: number; height: number } {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const round = (length: number): number => Math.max(256, Math.min(4096, Math.ceil((length * ratio) / 64) * 64));
  return { width: round(element?.clientWidth || 1024), height: round(element?.clientHeight || 768) };
}
