import { useEffect, useState } from 'react';
import type { ReactElement } from 'react';
import type { IClient } from '../api/client';
import { asProblem, isAbort } from '../api/problems';
import type { IChild, IChildren, IEntity, IProblem, Sort } from '../api/types';
import { Attributes } from '../browser/Details';
import { bytes, shapeText, timeText, typeText } from '../browser/format';
import { Icon, iconOf } from '../browser/icons';
import { Problem } from '../browser/Problem';
import { Thumbnail } from '../browser/Thumbnail';

const PAGE = 60;

interface IOverviewProps {
  client: IClient;
  entity: IEntity;
  sort: Sort;
  colorMap: string;
  revision: number;
  onSelect(h5path: string): void;
}

/** What is in a group, with small pictures, and its attributes. */
export function GroupOverview(props: IOverviewProps): ReactElement {
  const { client, entity, sort, colorMap, revision, onSelect } = props;
  const [limit, setLimit] = useState(PAGE);
  const { children, total, problem } = useChildren(client, entity.h5path, sort, limit, revision);
  return (
    <div className="ph5-overview">
      {(entity.title || entity.start_time) && (
        <p className="ph5-overview-title">
          {entity.title}
          {entity.start_time && <time dateTime={entity.start_time}> {timeText(entity.start_time)}</time>}
        </p>
      )}
      {problem && <Problem problem={problem} />}
      {total === 0 && <p className="ph5-note">This group is empty.</p>}
      {children.length > 0 && (
        <>
          <ul className="ph5-cards" aria-label={`${total.toLocaleString('en')} children`}>
            {children.map(child => (
              <Card key={child.name} client={client} child={child} colorMap={colorMap} revision={revision} onSelect={onSelect} />
            ))}
          </ul>
          {children.length < total && (
            <button type="button" className="ph5-button" onClick={() => setLimit(limit + PAGE)}>
              Show {Math.min(PAGE, total - children.length)} more of {total.toLocaleString('en')}
            </button>
          )}
        </>
      )}
      <Attributes attributes={entity.attributes} />
    </div>
  );
}

interface ICardProps {
  client: IClient;
  child: IChild;
  colorMap: string;
  revision: number;
  onSelect(h5path: string): void;
}

function Card({ client, child, colorMap, revision, onSelect }: ICardProps): ReactElement {
  return (
    <li className={`ph5-card ${child.kind === 'error' ? 'ph5-mod-problem' : ''}`} data-h5path={child.h5path} data-path={client.path}>
      <button type="button" onClick={() => onSelect(child.h5path)} title={child.h5path}>
        <span className="ph5-card-picture">
          {child.kind === 'dataset' && <Thumbnail client={client} child={child} colorMap={colorMap} revision={revision} />}
          <Icon name={iconOf(child)} className="ph5-kind" />
        </span>
        <span className="ph5-card-name">{child.name}</span>
        <span className="ph5-summary">{cardText(child)}</span>
      </button>
    </li>
  );
}

function cardText(child: IChild): string {
  switch (child.kind) {
    case 'dataset':
      return [shapeText(child.shape), typeText(child.type, child.dtype), child.storage && bytes(child.storage.nbytes)]
        .filter(Boolean)
        .join(' · ');
    case 'group':
      return [child.nx_class, child.title, child.n_children !== undefined && `${child.n_children.toLocaleString('en')} inside`]
        .filter(Boolean)
        .join(' · ');
    case 'error':
      return child.error?.message ?? 'It cannot be read.';
    default:
      return 'named type';
  }
}

interface IChildrenState {
  key: string;
  children: IChild[];
  total: number;
  problem?: IProblem;
}

/** The first children of a group; more are added page by page. */
function useChildren(client: IClient, h5path: string, sort: Sort, limit: number, revision: number): IChildrenState {
  const key = `${client.path}\n${h5path}\n${sort}\n${revision}`;
  const [state, setState] = useState<IChildrenState>({ key, children: [], total: -1 });
  const have = state.key === key ? state.children.length : 0;
  useEffect(() => {
    if (have >= limit || (state.key === key && (have === state.total || state.problem))) {
      return;
    }
    const abort = new AbortController();
    client.json<IChildren>('children', { h5path, offset: have, limit: limit - have, sort }, abort.signal).then(
      answer => {
        if (!abort.signal.aborted) {
          setState(before => ({
            key,
            children: [...(before.key === key ? before.children.slice(0, have) : []), ...answer.children],
            total: answer.total
          }));
        }
      },
      error => {
        if (!abort.signal.aborted && !isAbort(error)) {
          setState({ key, children: [], total: -1, problem: asProblem(error) });
        }
      }
    );
    return () => abort.abort();
  }, [client, h5path, sort, limit, key, have, state.key, state.total, state.problem]);
  // a changed file: the old children stay until the new are here
  return state.key.startsWith(`${client.path}\n${h5path}\n`) ? state : { key, children: [], total: -1 };
}
