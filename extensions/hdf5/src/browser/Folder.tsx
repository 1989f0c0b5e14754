import { useEffect, useRef, useState } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import { asProblem } from '../api/problems';
import type { IProblem } from '../api/types';
import { ago, inOrder, newestOf, parentOf } from './folder';
import type { IFolderItem, ListFolder } from './folder';
import { bytes } from './format';
import { Icon } from './icons';
import { Problem } from './Problem';

const TYPED_TOGETHER_MS = 700;

interface IFolderProps {
  path: string;
  list: ListFolder;
  onFolder(path: string): void;
  onFile(path: string): void;
}

interface IListed {
  path: string;
  items: IFolderItem[];
  problem?: IProblem;
}

/** The HDF5 files of a folder, and the folders to go into. */
export function Folder({ path, list, onFolder, onFile }: IFolderProps): ReactElement {
  const [listed, setListed] = useState<IListed>();
  const [turn, setTurn] = useState(0);
  const focusWanted = useRef(false);
  useEffect(() => {
    let gone = false;
    list(path).then(
      items => gone || setListed({ path, items: inOrder(items) }),
      error => gone || setListed({ path, items: [], problem: asProblem(error) })
    );
    return () => {
      gone = true;
    };
  }, [path, list, turn]);
  const go = (folder: string): void => {
    focusWanted.current = true;
    onFolder(folder);
  };
  const here = listed?.path === path ? listed : undefined;
  const parent = parentOf(path);
  return (
    <div className="ph5-browser">
      <div className="ph5-folder-bar">
        <h2 className="ph5-browser-title" title={path || '/'}>
          {path.replace(/.*[/:]/, '') || 'Files'}
        </h2>
        <button type="button" className="ph5-iconbutton" title="Read the folder again" aria-label="Read the folder again" onClick={() => setTurn(turn + 1)}>
          <Icon name="reload" />
        </button>
      </div>
      {here?.problem && <Problem problem={here.problem} onRetry={() => setTurn(turn + 1)} />}
      {here ? (
        <Items key={path} items={here.items} parent={parent} label={`HDF5 files in ${path || 'the top folder'}`} focusWanted={focusWanted} onFolder={go} onFile={onFile} />
      ) : (
        <p className="ph5-note ph5-loading">Loading…</p>
      )}
      {here && !here.problem && !here.items.some(item => item.kind === 'file') && (
        <p className="ph5-note">
          {here.items.length ? 'No HDF5 files here; look into a folder' : 'Nothing with HDF5 files here'}
          {parent === undefined ? '.' : ', or go up.'} Files with other names open by a right click in the file browser: Open With, HDF5.
        </p>
      )}
    </div>
  );
}

interface IItemsProps {
  items: IFolderItem[];
  parent: string | undefined;
  label: string;
  focusWanted: React.MutableRefObject<boolean>;
  onFolder(path: string): void;
  onFile(path: string): void;
}

function Items({ items, parent, label, focusWanted, onFolder, onFile }: IItemsProps): ReactElement {
  const rows: IFolderItem[] = parent === undefined ? items : [{ name: '..', path: parent, kind: 'folder', modified: '' }, ...items];
  const [active, setActive] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const typed = useRef({ text: '', at: 0 });
  const newest = newestOf(items);
  useEffect(() => {
    if (focusWanted.current) {
      focusWanted.current = false;
      box.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
    }
  }, [focusWanted]);
  const open = ({ kind, path }: IFolderItem): void => (kind === 'folder' ? onFolder(path) : onFile(path));
  const focus = (at: number): void => {
    const next = Math.max(0, Math.min(at, rows.length - 1));
    setActive(next);
    box.current?.querySelectorAll<HTMLElement>('[role=treeitem]')[next]?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const up = (): void => {
      if (parent !== undefined) {
        onFolder(parent);
      }
    };
    const keys: Record<string, () => void> = {
      ArrowDown: () => focus(active + 1),
      ArrowUp: () => focus(active - 1),
      Home: () => focus(0),
      End: () => focus(rows.length - 1),
      ArrowRight: () => rows[active]?.kind === 'folder' && open(rows[active]),
      ArrowLeft: up,
      Backspace: up,
      Enter: () => rows[active] && open(rows[active])
    };
    const typing = event.timeStamp - typed.current.at < TYPED_TOGETHER_MS;
    const run = keys[event.key] ?? (event.key === ' ' && !typing ? keys.Enter : event.key.length === 1 ? () => type(event) : undefined);
    if (run) {
      event.preventDefault();
      event.stopPropagation();
      run();
    }
  };
  /** Names are found as they are typed. */
  const type = ({ key, timeStamp }: KeyboardEvent): void => {
    const again = timeStamp - typed.current.at < TYPED_TOGETHER_MS;
    const text = (again ? typed.current.text : '') + key.toLowerCase();
    typed.current = { text, at: timeStamp };
    const from = text.length === 1 ? active + 1 : active;
    const found = rows.findIndex((_, i) => rows[(from + i) % rows.length].name.toLowerCase().startsWith(text));
    if (found >= 0) {
      focus((from + found) % rows.length);
    }
  };
  return (
    <div ref={box} className="ph5-folder" role="tree" aria-label={label} onKeyDown={onKeyDown}>
      {rows.map((item, at) => (
        <div
          key={item.path + item.name}
          role="treeitem"
          className="ph5-row ph5-mod-static"
          aria-level={1}
          aria-posinset={at + 1}
          aria-setsize={rows.length}
          aria-selected={false}
          tabIndex={at === active ? 0 : -1}
          title={item.modified ? `${item.name}\nchanged ${new Date(item.modified).toLocaleString()}` : 'The folder above'}
          data-kind={item.kind}
          onFocus={() => setActive(at)}
          onClick={() => open(item)}
        >
          <Icon name={item.kind === 'folder' ? 'group' : 'stack'} className="ph5-kind" />
          <span className="ph5-name">{item.name === '..' ? '‥ folder above' : item.name}</span>
          {item === newest && <span className="ph5-badge">newest</span>}
          {item.kind === 'file' && (
            <span className="ph5-summary">
              {[item.size === undefined ? '' : bytes(item.size), ago(item.modified)].filter(Boolean).join(' · ')}
            </span>
          )}
        </div>
      ))}
    </div>
  );
}
