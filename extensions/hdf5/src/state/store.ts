import type { IViewState } from './viewState';

/** Holds the view state of one viewer. React reads it with useSyncExternalStore; Lab and the notebook widget listen to it. */
export class ViewStore {
  private _state: IViewState;
  private readonly _listeners = new Set<() => void>();

  constructor(initial: IViewState = { h5path: '' }) {
    this._state = clean(initial);
  }

  get = (): IViewState => this._state;

  /** Change a part; what is undefined is forgotten. Nobody is told of a change that changes nothing. */
  change = (change: Partial<IViewState>): void => {
    this.set({ ...this._state, ...change });
  };

  /** Replace all. */
  set = (state: IViewState): void => {
    const next = clean(state);
    if (!sameState(next, this._state)) {
      this._state = next;
      this._listeners.forEach(listener => listener());
    }
  };

  /** @returns how to stop listening. */
  subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => {
      this._listeners.delete(listener);
    };
  };
}

export function sameState(one: IViewState, other: IViewState): boolean {
  return canonical(one) === canonical(other);
}

function canonical(state: IViewState): string {
  const entries = Object.entries(state).filter(([, value]) => value !== undefined);
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function clean(state: IViewState): IViewState {
  return Object.fromEntries(Object.entries(state).filter(([, value]) => value !== undefined)) as unknown as IViewState;
}
