import type { KeyboardEvent } from 'react';
import type { TreeModel } from './model';

const TYPED_TOGETHER_MS = 700;
/** How many rows a typed name is looked for among. */
const SEARCHED_ROWS = 20_000;

interface ITreeState {
  model: TreeModel;
  active: number;
  /** Rows that fit on the screen. */
  page: number;
  focus(at: number): void;
  choose(at: number): void;
}

/** The keys of WAI-ARIA's tree pattern. */
export class TreeKeys {
  private _typed = '';
  private _last = 0;

  handle(event: KeyboardEvent, state: ITreeState): void {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (this._move(event.key, state) || this._type(event.key, state)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  private _move(key: string, { model, active, page, focus, choose }: ITreeState): boolean {
    const last = model.size - 1;
    const row = model.row(active);
    const to = (at: number): boolean => {
      focus(Math.max(0, Math.min(at, last)));
      return true;
    };
    switch (key) {
      case 'ArrowDown':
        return to(active + 1);
      case 'ArrowUp':
        return to(active - 1);
      case 'Home':
        return to(0);
      case 'End':
        return to(last);
      case 'PageDown':
        return to(active + page);
      case 'PageUp':
        return to(active - page);
      case 'ArrowRight':
        if (row.expanded === false) {
          model.expand(active);
        } else if (row.expanded) {
          to(active + 1);
        }
        return true;
      case 'ArrowLeft':
        if (row.expanded && active > 0) {
          model.collapse(active);
        } else {
          to(model.parentOf(active));
        }
        return true;
      case '*':
        this._openSiblings(model, active);
        return true;
      case 'Enter':
        choose(active);
        return true;
      case ' ':
        if (this._typing()) {
          return false;
        }
        choose(active);
        return true;
      default:
        return false;
    }
  }

  /** Names are found as they are typed, from the row after this one on. */
  private _type(key: string, { model, active, focus }: ITreeState): boolean {
    if (key.length !== 1) {
      return false;
    }
    this._typed = (this._typing() ? this._typed : '') + key.toLowerCase();
    this._last = Date.now();
    const same = [...this._typed].every(letter => letter === this._typed[0]);
    const wanted = same ? this._typed[0] : this._typed;
    const size = model.size;
    for (let step = same ? 1 : 0; step <= Math.min(size, SEARCHED_ROWS); step++) {
      const at = (active + step) % size;
      if (model.row(at).child?.name.toLowerCase().startsWith(wanted)) {
        focus(at);
        break;
      }
    }
    return true;
  }

  private _typing(): boolean {
    return this._typed !== '' && Date.now() - this._last < TYPED_TOGETHER_MS;
  }

  private _openSiblings(model: TreeModel, active: number): void {
    const { group } = model.row(active);
    for (let index = Math.min(group?.total ?? 0, 50) - 1; group && index >= 0; index--) {
      const at = model.find(group.h5path) + 1 + group.rowOf(index);
      if (model.row(at).expanded === false) {
        model.expand(at);
      }
    }
  }
}
