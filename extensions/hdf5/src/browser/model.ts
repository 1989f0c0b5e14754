import type { IClient } from '../api/client';
import { asProblem } from '../api/problems';
import type { IChild, IChildren, IProblem, Sort } from '../api/types';
import { Group } from './group';

/** Children asked for at once. */
export const PAGE = 200;
/** How far a name is looked for page by page when nobody knows where it stands. */
const SEARCHED_PAGES = 10;

/** One visible line of the tree. */
export interface IRow {
  /** `item`, a placeholder for one that is on its way, or the reason why a group's children are not shown. */
  kind: 'item' | 'loading' | 'problem';
  /** Unique within the tree, and the same for a child that is on its way and when it is here: who has the focus keeps it. */
  key: string;
  level: number;
  /** 1 … setsize */
  position: number;
  setsize: number;
  /** The group it is in; null for the root. */
  group: Group | null;
  index: number;
  child?: IChild;
  /** Groups: whether its children are shown; undefined where there are none. */
  expanded?: boolean;
  problem?: IProblem;
}

/**
 * The tree of one file, as rows. Of a group with 100,000 children only the pages that were looked at are here: rows are computed
 * from the opened groups, nothing is as long as the group.
 */
export class TreeModel {
  private _root: Group;
  private _sort: Sort;
  private _descending = false;
  private _generation = 0;
  private _version = 0;
  private readonly _listeners = new Set<() => void>();
  /** Answers on their way that bring the root's first page along. */
  private _awaited = 0;
  /** Groups to open again as soon as they are here, after another order was chosen. */
  private _wanted = new Set<string>();

  constructor(
    readonly client: IClient,
    readonly name: string,
    sort: Sort = 'natural'
  ) {
    this._sort = sort;
    this._root = new Group('/', name, 1, null);
  }

  get sort(): Sort {
    return this._sort;
  }

  get descending(): boolean {
    return this._descending;
  }

  /** Rows in all, the root's included. */
  get size(): number {
    return 1 + this._root.size;
  }

  /** Counts up with each change; a snapshot for React. */
  version = (): number => this._version;

  subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => {
      this._listeners.delete(listener);
    };
  };

  /** The row at a position; its child is missing while its page is on the way. */
  row(at: number): IRow {
    if (at <= 0) {
      const child: IChild = { name: this.name, h5path: '/', kind: 'group', link: { type: 'hard' } };
      return { kind: 'item', key: '/', level: 1, position: 1, setsize: 1, group: null, index: 0, child, expanded: true };
    }
    return rowIn(this._root, at - 1);
  }

  /** Where an object's row is; -1 if it is not in sight. */
  find(h5path: string): number {
    if (h5path === '/' || h5path === '') {
      return 0;
    }
    let group: Group | undefined = this._root;
    let row = 1;
    const names = split(h5path);
    for (const [depth, name] of names.entries()) {
      const index = group.indexOf(name);
      if (index < 0) {
        return -1;
      }
      row += group.rowOf(index);
      if (depth === names.length - 1) {
        return row;
      }
      group = group.opened(index);
      if (!group) {
        return -1;
      }
      row += 1;
    }
    return -1;
  }

  /** Ask for what is missing between two rows. */
  ensure(first: number, last: number): void {
    for (let at = Math.max(1, first); at <= last && at < this.size; at++) {
      const row = this.row(at);
      const group = row.group as Group;
      if (group.total === null) {
        // an effect of the same moment may tell that the page comes with another answer
        queueMicrotask(() => {
          if (!this._awaited && group.total === null && !group.problem) {
            void this._load(group, 0);
          }
        });
        continue;
      }
      const page = Math.floor(row.index / PAGE);
      if (row.kind === 'loading' || group.stale.has(page)) {
        void this._load(group, page);
      }
    }
  }

  /** An answer is on its way that brings pages along: the root's is not asked for meanwhile. */
  awaitPages(answer: Promise<unknown>): void {
    this._awaited++;
    const over = (): void => {
      this._awaited--;
      this._changed();
    };
    answer.then(over, over);
  }

  /** Pages that came with another answer. */
  adopt(...pages: IChildren[]): void {
    for (const page of pages) {
      if (page.sort !== this._sort || this._descending) {
        continue;
      }
      const group = this._group(page.h5path, true);
      if (group) {
        group.take(page.offset, page.total, page.children);
        this._reopen(group);
      }
    }
    this._changed();
  }

  /** Open the group at a row. */
  expand(at: number): void {
    const row = this.row(at);
    if (row.child && row.group && row.expanded === false) {
      row.group.setOpen(row.index, this._groupOf(row.group, row.child));
      this._changed();
      this.ensure(at + 1, at + 1);
    }
  }

  collapse(at: number): void {
    const row = this.row(at);
    if (row.group && row.expanded) {
      row.group.setOpen(row.index, null);
      this._wanted.delete(row.child?.h5path ?? '');
      this._changed();
    }
  }

  /** The row of the group that a row is in. */
  parentOf(at: number): number {
    const { group } = this.row(at);
    return group ? Math.max(0, this.find(group.h5path)) : 0;
  }

  /** Open the groups on the way to an object. @returns its row, or -1. */
  async reveal(h5path: string): Promise<number> {
    let group = this._root;
    const names = split(h5path);
    for (const [depth, name] of names.entries()) {
      const index = await this._locate(group, name);
      const child = group.children.get(index);
      if (!child) {
        return -1;
      }
      if (depth < names.length - 1) {
        const next: Group = group.opened(index) ?? this._groupOf(group, child);
        group.setOpen(index, next);
        group = next;
      }
    }
    this._changed();
    return this.find(h5path);
  }

  /** Another order: everything is asked anew, opened groups stay open. */
  setSort(sort: Sort, descending = false): void {
    if (sort === this._sort && descending === this._descending) {
      return;
    }
    this._sort = sort;
    this._descending = descending;
    this._wanted = new Set(this._openPaths());
    this._generation++;
    this._root = new Group('/', this.name, 1, null);
    this._changed();
    this.ensure(1, 1);
  }

  /** The file changed: what is shown stays until it is replaced. */
  refresh(): void {
    this._generation++;
    const visit = (group: Group): void => {
      group.asked.clear();
      if (group.problem) {
        group.problem = null;
        group.total = null;
      }
      for (const index of group.children.keys()) {
        group.stale.add(Math.floor(index / PAGE));
      }
      if (group.total === 0) {
        void this._load(group, 0);
      }
      group.open.forEach(([, child]) => visit(child));
    };
    visit(this._root);
    this._changed();
  }

  /** Try a group again whose children could not be had. */
  retry(at: number): void {
    const { group } = this.row(at);
    if (group?.problem) {
      group.problem = null;
      this._changed();
      void this._load(group, 0);
    }
  }

  private async _load(group: Group, page: number): Promise<void> {
    if (group.asked.has(page)) {
      return;
    }
    group.asked.add(page);
    const generation = this._generation;
    try {
      const answer = await this.client.json<IChildren>('children', {
        h5path: group.h5path,
        offset: page * PAGE,
        limit: PAGE,
        sort: this._sort,
        descending: this._descending || undefined
      });
      if (generation !== this._generation) {
        return;
      }
      group.stale.delete(page);
      group.take(page * PAGE, answer.total, answer.children);
      this._reopen(group);
    } catch (error) {
      if (generation !== this._generation) {
        return;
      }
      group.problem = asProblem(error);
    }
    group.asked.delete(page);
    this._changed();
  }

  private async _locate(group: Group, name: string): Promise<number> {
    for (let page = 0; page < SEARCHED_PAGES; page++) {
      const index = group.indexOf(name);
      if (index >= 0 || group.problem || (group.total !== null && page * PAGE >= group.total)) {
        return index;
      }
      await this._load(group, page);
    }
    return group.indexOf(name);
  }

  /** The opened group with this path; with `open`, its ancestors that are here are opened on the way. */
  private _group(h5path: string, open: boolean): Group | null {
    let group = this._root;
    for (const name of split(h5path)) {
      const index = group.indexOf(name);
      const child = group.children.get(index);
      let next = group.opened(index);
      if (!next && child && open) {
        group.setOpen(index, (next = this._groupOf(group, child)));
      }
      if (!next) {
        return null;
      }
      group = next;
    }
    return group;
  }

  private _groupOf(parent: Group, child: IChild): Group {
    return new Group(pathOf(parent, child.name), child.name, parent.level + 1, parent);
  }

  private _reopen(group: Group): void {
    if (!this._wanted.size) {
      return;
    }
    for (const [index, child] of group.children) {
      const path = pathOf(group, child.name);
      if (this._wanted.delete(path) && canExpand(child)) {
        const opened = this._groupOf(group, child);
        group.setOpen(index, opened);
        void this._load(opened, 0);
      }
    }
  }

  private _openPaths(group: Group = this._root): string[] {
    return group.open.flatMap(([, child]) => [child.h5path, ...this._openPaths(child)]);
  }

  private _changed(): void {
    this._version++;
    this._listeners.forEach(listener => listener());
  }
}

/** Whether there is something to open. */
export function canExpand(child: IChild): boolean {
  return child.kind === 'group' && child.n_children !== 0;
}

/** The names on the way to an object. */
export function split(h5path: string): string[] {
  return h5path.split('/').filter(name => name !== '');
}

function pathOf(group: Group, name: string): string {
  return group.h5path === '/' ? `/${name}` : `${group.h5path}/${name}`;
}

function rowIn(group: Group, at: number): IRow {
  if (group.total === null || group.problem) {
    const kind = group.problem ? 'problem' : 'loading';
    const key = `${group.h5path}\n0`;
    return { kind, key, level: group.level + 1, position: 1, setsize: 1, group, index: 0, problem: group.problem ?? undefined };
  }
  let index = at;
  for (const [opened, child] of group.open) {
    if (index <= opened) {
      break;
    }
    if (index <= opened + child.size) {
      return rowIn(child, index - opened - 1);
    }
    index -= child.size;
  }
  const child = group.children.get(index);
  return {
    kind: child ? 'item' : 'loading',
    key: `${group.h5path}\n${index}`,
    level: group.level + 1,
    position: index + 1,
    setsize: group.total,
    group,
    index,
    child,
    expanded: child && canExpand(child) ? group.opened(index) !== undefined : undefined
  };
}
