import type { ReactElement } from 'react';
import { Icon } from '../browser/icons';
import type { ChangeState, ISource, IViewState } from '../state/viewState';

interface ISourcesProps {
  state: IViewState;
  change: ChangeState;
}

/** What else is on the plot, each with a way to take it off. */
export function Sources({ state, change }: ISourcesProps): ReactElement | null {
  const { curves = [], compare, x } = state;
  if (!curves.length && !compare && !x) {
    return null;
  }
  const without = (index: number): ISource[] | undefined => {
    const rest = curves.filter((_, i) => i !== index);
    return rest.length ? rest : undefined;
  };
  return (
    <ul className="ph5-sources" aria-label="Also shown">
      {x && <Chip label="X axis" source={{ h5path: x }} onRemove={() => change({ x: undefined })} />}
      {curves.map((source, i) => (
        <Chip key={`${source.path} ${source.h5path} ${source.slice}`} label="and" source={source} onRemove={() => change({ curves: without(i) })} />
      ))}
      {compare && (
        <Chip label="compared with" source={compare} onRemove={() => change({ compare: undefined, compareMode: undefined })} />
      )}
    </ul>
  );
}

function Chip({ label, source, onRemove }: { label: string; source: ISource; onRemove(): void }): ReactElement {
  const name = `${source.path ? `${source.path}::` : ''}${source.h5path}${source.slice ? `[${source.slice}]` : ''}`;
  return (
    <li className="ph5-chip" title={name}>
      <span>
        {label} <b>{name}</b>
      </span>
      <button type="button" className="ph5-iconbutton" aria-label={`Remove ${name}`} onClick={onRemove}>
        <Icon name="close" />
      </button>
    </li>
  );
}

/** Add to the plot, once. */
export function withCurve(state: IViewState, source: ISource): Partial<IViewState> {
  const curves = state.curves ?? [];
  const there = curves.some(one => one.path === source.path && one.h5path === source.h5path && one.slice === source.slice);
  return there || (source.h5path === state.h5path && !source.path) ? {} : { curves: [...curves, source] };
}
