import { useEffect, useState, type ReactElement } from 'react';
import type { IViewState } from '../state/viewState';
import { Choice } from '../vis/choices';
import type { IMeasured } from './context';
import { Panel } from './Panel';

const MODES = ['side', 'difference', 'swipe'] as const;
const NAMES = { side: 'side by side', difference: 'difference', swipe: 'swipe' };

/** Which image to compare with, and how. */
export function ComparePanel({ measured, onClose }: { measured: IMeasured; onClose: () => void }): ReactElement {
  const { state, change, client, slice } = measured;
  const [path, setPath] = useState(state.compare?.path ?? client.path);
  const [h5path, setH5path] = useState(state.compare?.h5path ?? state.h5path);
  const [other, setOther] = useState(state.compare?.slice ?? nextFrame(slice));
  useEffect(() => {
    if (state.compare) {
      setPath(state.compare.path ?? client.path);
      setH5path(state.compare.h5path);
      setOther(state.compare.slice ?? slice);
    }
  }, [state.compare, client.path, slice]);
  const compare = () =>
    change({ compare: { path: path === client.path ? undefined : path, h5path, slice: other || undefined } });
  return (
    <Panel
      title="Compare"
      onClose={() => {
        change({ compare: undefined, compareMode: undefined });
        onClose();
      }}
      controls={
        <Choice
          label="Show"
          value={state.compareMode ?? 'side'}
          options={MODES}
          names={NAMES}
          onChange={compareMode => change({ compareMode: compareMode as IViewState['compareMode'] })}
        />
      }
    >
      <form
        className="ph5-form"
        onSubmit={event => {
          event.preventDefault();
          compare();
        }}
      >
        <label>
          <span>File</span>
          <input value={path} onChange={event => setPath(event.target.value)} />
        </label>
        <label>
          <span>Path</span>
          <input value={h5path} onChange={event => setH5path(event.target.value)} />
        </label>
        <label>
          <span>Slice</span>
          <input value={other} onChange={event => setOther(event.target.value)} />
        </label>
        <button type="submit" className="ph5-button">
          Compare
        </button>
      </form>
    </Panel>
  );
}

/** The frame after this one: what one most often wants to compare with. */
export function nextFrame(slice: string): string {
  let moved = false;
  return slice
    .split(',')
    .map(entry => entry.trim())
    .map(entry => {
      if (moved || !/^\d+$/.test(entry)) {
        return entry;
      }
      moved = true;
      return String(Number(entry) + 1);
    })
    .join(', ');
}
