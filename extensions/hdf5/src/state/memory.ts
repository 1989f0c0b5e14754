import type { IRemembered } from './keep';

/** What was looked at last on this page, in whatever file, and whether the next is to be looked at alike. */
export class ViewMemory {
  last: IRemembered | null = null;
  private _keep: boolean;
  private readonly _listeners = new Set<() => void>();

  constructor(keep = false) {
    this._keep = keep;
  }

  keep = (): boolean => this._keep;

  setKeep = (keep: boolean): void => {
    this._keep = keep;
    this._listeners.forEach(listener => listener());
  };

  subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => {
      this._listeners.delete(listener);
    };
  };
}
