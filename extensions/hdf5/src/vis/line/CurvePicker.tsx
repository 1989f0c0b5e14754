import { useMemo, useState, type ReactElement } from 'react';
import type { IChild, IChildren } from '../../api/types';
import type { ISource } from '../../state/viewState';
import { Panel } from '../../tools/Panel';
import { Problem } from '../errors';
import { useFetched } from '../fetching';
import type { IVisProps } from '../props';

const MOST = 500;

/** Data sets beside this one that could be a curve or an X axis. */
export function candidates(children: readonly IChild[], length: number): IChild[] {
  const numeric = new Set(['integer', 'float', 'boolean', 'enum']);
  return children.filter(
    child =>
      child.kind === 'dataset' &&
      child.shape?.length === 1 &&
      (child.shape[0] === length || child.shape[0] === length + 1) &&
      (child.type === undefined || numeric.has(child.type.class))
  );
}

function parentOf(h5path: string): string {
  return h5path.slice(0, h5path.lastIndexOf('/')) || '/';
}

/** An own X axis, and further curves from here and elsewhere. */
export function CurvePicker({ client, entity, state, change, revision, length, onClose }: IVisProps & { length: number; onClose: () => void }): ReactElement {
  const signal = entity.plot?.signal ?? entity.h5path;
  const folder = parentOf(signal);
  const { value, problem } = useFetched(JSON.stringify([client.path, folder, revision]), abort =>
    client.json<IChildren>('children', { h5path: folder, limit: MOST }, abort)
  );
  const found = useMemo(() => candidates(value?.children ?? [], length), [value, length]);
  const [file, setFile] = useState(client.path);
  const [h5path, setH5path] = useState('');
  const curves = state.curves ?? [];
  const add = (source: ISource) => change({ curves: [...curves, source] });
  return (
    <Panel title="X axis and curves" onClose={onClose}>
      {problem && <Problem problem={problem} />}
      <form
        className="ph5-form"
        onSubmit={event => {
          event.preventDefault();
          if (h5path) {
            add({ path: file === client.path ? undefined : file, h5path });
            setH5path('');
          }
        }}
      >
        <label>
          <span>X axis</span>
          <select value={state.x ?? ''} onChange={event => change({ x: event.target.value || undefined, zoom: undefined })}>
            <option value="">as the file says</option>
            {state.x !== undefined && !found.some(child => child.h5path === state.x) && <option value={state.x}>{state.x}</option>}
            {found
              .filter(child => child.h5path !== signal)
              .map(child => (
                <option key={child.h5path} value={child.h5path}>
                  {child.name}
                </option>
              ))}
          </select>
        </label>
        <label>
          <span>Add a curve</span>
          <select
            value=""
            onChange={event => {
              if (event.target.value) {
                add({ h5path: event.target.value });
              }
            }}
          >
            <option value="">from beside it…</option>
            {found
              .filter(child => child.h5path !== signal && !curves.some(curve => curve.h5path === child.h5path && !curve.path))
              .map(child => (
                <option key={child.h5path} value={child.h5path}>
                  {child.name}
                </option>
              ))}
          </select>
        </label>
        <label>
          <span>or from file</span>
          <input value={file} onChange={event => setFile(event.target.value)} />
        </label>
        <label>
          <span>path</span>
          <input value={h5path} placeholder="/entry/data" onChange={event => setH5path(event.target.value)} />
        </label>
        <button type="submit" className="ph5-button" disabled={!h5path}>
          Add
        </button>
      </form>
    </Panel>
  );
}
