import { useCallback, useRef, useState } from 'react';
import type { ReactElement } from 'react';
import type { Sort } from '../api/types';
import type { IHost } from '../viewer/host';
import { Icon } from './icons';
import type { TreeModel } from './model';
import { SearchBox, SearchResults } from './Search';
import type { ISearchQuery } from './Search';
import { Tree } from './Tree';

const ORDERS: Record<Exclude<Sort, 'native'>, string> = {
  natural: 'Natural order',
  name: 'By name',
  creation: 'As created',
  start_time: 'By start time'
};

interface IFileTreeProps {
  model: TreeModel;
  selected: string;
  onSelect(h5path: string): void;
  onReload?(): void;
  host: IHost;
}

/** Search box, order and tree of one file. */
export function FileTree({ model, selected, onSelect, onReload, host }: IFileTreeProps): ReactElement {
  const [query, setQuery] = useState<ISearchQuery>({ text: '', kind: 'substring' });
  const box = useRef<HTMLDivElement>(null);
  const searching = query.text.trim() !== '';
  const choose = useCallback(
    (h5path: string) => {
      onSelect(h5path);
      void model.reveal(h5path);
    },
    [model, onSelect]
  );
  const down = (): void => {
    box.current?.querySelector<HTMLElement>('.ph5-match, [role=treeitem][tabindex="0"]')?.focus();
  };
  return (
    <div className="ph5-filetree" ref={box}>
      <div className="ph5-filetree-bar">
        <SearchBox query={query} onChange={setQuery} onDown={down} />
        <div className="ph5-filetree-order">
          <select
            className="ph5-select"
            aria-label="Order"
            value={model.sort}
            onChange={event => model.setSort(event.target.value as Sort, model.descending)}
          >
            {Object.entries(ORDERS).map(([sort, label]) => (
              <option key={sort} value={sort}>
                {label}
              </option>
            ))}
          </select>
          <Descending model={model} />
          {onReload && (
            <button type="button" className="ph5-iconbutton" title="Read the file again" aria-label="Read the file again" onClick={onReload}>
              <Icon name="reload" />
            </button>
          )}
        </div>
      </div>
      {searching && <SearchResults client={model.client} query={query} selected={selected} onSelect={choose} />}
      <div className="ph5-filetree-tree" hidden={searching}>
        <Tree model={model} selected={selected} onSelect={onSelect} host={host} label={`Contents of ${model.name}`} />
      </div>
    </div>
  );
}

function Descending({ model }: { model: TreeModel }): ReactElement {
  const [down, setDown] = useState(model.descending);
  return (
    <button
      type="button"
      className="ph5-iconbutton"
      aria-pressed={down}
      aria-label="Last first"
      title="Last first"
      onClick={() => {
        setDown(!down);
        model.setSort(model.sort, !down);
      }}
    >
      {down ? '↓' : '↑'}
    </button>
  );
}
