import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useState } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import type { IClient } from '../api/client';
import { asProblem, isAbort } from '../api/problems';
import type { IMatch, IProblem, SearchLine } from '../api/types';
import { dtypeText, shapeText } from './format';
import { Icon, iconOf } from './icons';

export type SearchKind = 'substring' | 'glob' | 'nx_class' | 'attribute';

const KINDS: Record<SearchKind, { label: string; hint: string }> = {
  substring: { label: 'Name', hint: 'name, path' },
  glob: { label: 'Pattern', hint: '/entry*/**/data' },
  nx_class: { label: 'NeXus class', hint: 'NXdetector' },
  attribute: { label: 'Attribute', hint: 'units = mm' }
};
const TYPING_MS = 250;
const REDRAWN_MS = 80;
const MATCH_HEIGHT = 38;

interface IFound {
  matches: IMatch[];
  visited: number;
  state: 'running' | 'done' | 'stopped';
  truncated: boolean;
  problem?: IProblem;
}

export interface ISearchQuery {
  text: string;
  kind: SearchKind;
}

interface IBoxProps {
  query: ISearchQuery;
  onChange(query: ISearchQuery): void;
  onDown(): void;
}

/** What to look for. */
export function SearchBox({ query, onChange, onDown }: IBoxProps): ReactElement {
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && query.text) {
      event.stopPropagation();
      onChange({ ...query, text: '' });
    } else if (event.key === 'ArrowDown') {
      event.preventDefault();
      onDown();
    }
  };
  return (
    <div className="ph5-search" role="search">
      <Icon name="search" />
      <input
        type="search"
        className="ph5-input"
        aria-label="Search in this file"
        placeholder={KINDS[query.kind].hint}
        title={`Search in this file: ${KINDS[query.kind].hint}`}
        value={query.text}
        spellCheck={false}
        onChange={event => onChange({ ...query, text: event.target.value })}
        onKeyDown={onKeyDown}
      />
      <select
        className="ph5-select"
        aria-label="Search by"
        value={query.kind}
        onChange={event => onChange({ ...query, kind: event.target.value as SearchKind })}
      >
        {Object.entries(KINDS).map(([kind, { label }]) => (
          <option key={kind} value={kind}>
            {label}
          </option>
        ))}
      </select>
    </div>
  );
}

interface IResultsProps {
  client: IClient;
  query: ISearchQuery;
  selected: string;
  onSelect(h5path: string): void;
}

/** What was found, as it is found. */
export function SearchResults({ client, query, selected, onSelect }: IResultsProps): ReactElement {
  const [found, stop] = useSearch(client, query);
  const box = useRef<HTMLUListElement>(null);
  const virtual = useVirtualizer({
    count: found.matches.length,
    getScrollElement: () => box.current,
    estimateSize: () => MATCH_HEIGHT,
    overscan: 8,
    initialRect: { width: 300, height: 600 }
  });
  const step = (event: KeyboardEvent<HTMLElement>): void => {
    const to = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const item = (event.target as HTMLElement).closest('li');
    const next = to === 1 ? item?.nextElementSibling : to === -1 ? item?.previousElementSibling : null;
    if (to) {
      event.preventDefault();
      next?.querySelector('button')?.focus();
    }
  };
  return (
    <div className="ph5-results">
      <div className="ph5-results-status">
        <span role="status">{statusText(found)}</span>
        {found.state === 'running' && (
          <button type="button" className="ph5-button" onClick={stop}>
            Stop
          </button>
        )}
      </div>
      <ul ref={box} className="ph5-results-list" aria-label="Search results" onKeyDown={step}>
        {virtual.getVirtualItems().map(({ index, start }) => (
          <li
            key={index}
            style={{ transform: `translateY(${start}px)` }}
            aria-posinset={index + 1}
            aria-setsize={found.matches.length}
          >
            <Match match={found.matches[index]} path={client.path} current={found.matches[index].h5path === selected} onSelect={onSelect} />
          </li>
        ))}
        <li role="presentation" className="ph5-spacer" style={{ height: virtual.getTotalSize() }} />
      </ul>
    </div>
  );
}

function Match(props: { match: IMatch; path: string; current: boolean; onSelect(h5path: string): void }): ReactElement {
  const { match, path, current, onSelect } = props;
  const { h5path, kind, nx_class, shape, dtype, attribute } = match;
  const at = h5path.lastIndexOf('/');
  const detail = attribute ?? [nx_class, shapeText(shape), dtypeText(dtype)].filter(Boolean).join(' · ');
  return (
    <button
      type="button"
      className="ph5-match"
      title={h5path}
      data-path={path}
      data-h5path={h5path}
      data-kind={kind}
      aria-current={current || undefined}
      onClick={() => onSelect(h5path)}
    >
      <Icon name={iconOf({ name: '', h5path, kind, link: { type: 'hard' }, shape })} className="ph5-kind" />
      <span className="ph5-match-name">{h5path.slice(at + 1) || '/'}</span>
      <span className="ph5-summary">{detail}</span>
      <span className="ph5-match-path">{h5path.slice(0, at) || '/'}</span>
    </button>
  );
}

function statusText({ matches, visited, state, truncated, problem }: IFound): string {
  if (problem) {
    return [problem.message, problem.remedy].filter(Boolean).join(' ');
  }
  const count = `${matches.length.toLocaleString('en')} found`;
  const seen = visited ? `, ${visited.toLocaleString('en')} objects looked at` : '';
  if (state === 'running') {
    return `Searching… ${count}${seen}`;
  }
  return `${count}${seen}${truncated ? '; there are more, narrow the search' : ''}${state === 'stopped' ? '; stopped' : ''}.`;
}

function useSearch(client: IClient, { text, kind }: ISearchQuery): [IFound, () => void] {
  const nothing: IFound = { matches: [], visited: 0, state: 'running', truncated: false };
  const [found, setFound] = useState<IFound>(nothing);
  const abort = useRef(new AbortController());
  useEffect(() => {
    const control = new AbortController();
    abort.current = control;
    setFound(nothing);
    const timer = setTimeout(() => {
      void collect(client, { text: text.trim(), kind }, control.signal, setFound);
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
    // `nothing` is the same each time
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [client, text, kind]);
  const stop = (): void => {
    abort.current.abort();
    setFound(before => ({ ...before, state: 'stopped' }));
  };
  return [found, stop];
}

/** Read the stream; draw now and then, not for each match. */
export async function collect(
  client: IClient,
  query: ISearchQuery,
  signal: AbortSignal,
  show: (found: IFound) => void
): Promise<void> {
  const matches: IMatch[] = [];
  const now: IFound = { matches, visited: 0, state: 'running', truncated: false };
  let drawn = 0;
  try {
    for await (const line of client.lines<SearchLine>('search', { q: query.text, kind: query.kind }, signal)) {
      if ('match' in line) {
        matches.push(line.match);
      } else if ('progress' in line) {
        now.visited = line.progress.visited;
      } else {
        Object.assign(now, { state: 'done', visited: line.done.visited, truncated: line.done.truncated });
      }
      if (signal.aborted) {
        return;
      }
      if (Date.now() - drawn > REDRAWN_MS) {
        drawn = Date.now();
        show({ ...now, matches: [...matches] });
      }
    }
    now.state = 'done';
  } catch (error) {
    if (isAbort(error) || signal.aborted) {
      return;
    }
    Object.assign(now, { state: 'done', problem: asProblem(error) });
  }
  show({ ...now, matches: [...matches] });
}
