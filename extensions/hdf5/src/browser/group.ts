import type { IChild, IProblem } from '../api/types';

/** An opened group of the tree: its children as far as they are here, and which of them are open. */
export class Group {
  /** How many children; null until the first page is here. */
  total: number | null = null;
  problem: IProblem | null = null;
  readonly children = new Map<number, IChild>();
  /** Pages that are shown but may be out of date. */
  readonly stale = new Set<number>();
  readonly asked = new Set<number>();
  /** Opened children by index, in rising order. */
  private readonly _open = new Map<number, Group>();

  constructor(
    readonly h5path: string,
    readonly name: string,
    /** 1 for the root's row; its children have 2. */
    readonly level: number,
    readonly parent: Group | null
  ) {}

  /** Rows beneath this group's own row. */
  get size(): number {
    if (this.total === null || this.problem) {
      return 1; // "loading", or what went wrong
    }
    let size = this.total;
    for (const group of this._open.values()) {
      size += group.size;
    }
    return size;
  }

  get open(): readonly [number, Group][] {
    return [...this._open.entries()];
  }

  opened(index: number): Group | undefined {
    return this._open.get(index);
  }

  setOpen(index: number, group: Group | null): void {
    if (group) {
      this._open.set(index, group);
    } else {
      this._open.delete(index);
    }
    const sorted = [...this._open.entries()].sort(([a], [b]) => a - b);
    this._open.clear();
    sorted.forEach(([at, one]) => this._open.set(at, one));
  }

  indexOf(name: string): number {
    for (const [index, child] of this.children) {
      if (child.name === name) {
        return index;
      }
    }
    return -1;
  }

  /** Take children in, from a page. Opened groups move with their child, and close when it is gone from where it was. */
  take(offset: number, total: number, children: readonly IChild[]): void {
    const moved = this.total !== null && this.total !== total;
    this.total = total;
    this.problem = null;
    children.forEach((child, i) => this.children.set(offset + i, child));
    for (const index of moved ? [...this.children.keys()] : []) {
      if (index >= total) {
        this.children.delete(index);
      }
    }
    for (const [index, group] of this.open) {
      if (this.children.get(index)?.name !== group.name) {
        const now = this.indexOf(group.name);
        this.setOpen(index, null);
        if (now >= 0) {
          this.setOpen(now, group);
        }
      }
    }
  }

  /** Rows above child `index`, this group's own row not counted. */
  rowOf(index: number): number {
    let row = index;
    for (const [at, group] of this._open) {
      if (at >= index) {
        break;
      }
      row += group.size;
    }
    return row;
  }
}
