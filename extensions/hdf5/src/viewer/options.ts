import type { Reducer, Sort } from '../api/types';
import type { ScaleName } from '../state/viewState';

/** What a person prefers; Lab's settings, or these. */
export interface IViewerOptions {
  colorMap: string;
  /** `auto`: as the server suggests. */
  scale: ScaleName | 'auto';
  reduce: Reducer;
  mask: 'auto' | 'none';
  sort: Sort;
  /** Follow files that are being written. */
  live: boolean;
  followLast: boolean;
  showTree: boolean;
  keepView: boolean;
  /** Where the sidebar begins to look for files; empty: the file browser's folder. */
  startFolder: string;
}

export const DEFAULTS: IViewerOptions = {
  colorMap: 'Viridis',
  scale: 'auto',
  reduce: 'max',
  mask: 'auto',
  sort: 'natural',
  live: true,
  followLast: false,
  showTree: true,
  keepView: false,
  startFolder: ''
};

/** Settings from outside, where they make sense. */
export function optionsFrom(settings: Record<string, unknown>): IViewerOptions {
  const options: Record<string, unknown> = { ...DEFAULTS };
  for (const [name, standard] of Object.entries(DEFAULTS)) {
    if (typeof settings[name] === typeof standard) {
      options[name] = settings[name];
    }
  }
  return options as unknown as IViewerOptions;
}
