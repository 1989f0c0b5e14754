import type { MouseEvent } from 'react';
import type { IChild } from '../api/types';
import type { IViewState } from '../state/viewState';

/** An object of a file, as commands and drags name it. */
export interface IObject {
  path: string;
  h5path: string;
  slice?: string;
  child?: IChild;
}

/** What surrounds a viewer can do for it: Lab, or a notebook cell, which can do less. */
export interface IHost {
  /** Show an object of any file, in a tab of its own if asked to. */
  open?(path: string, state: IViewState, newTab: boolean): void;
  insertCode?(object: IObject): void;
  copyLink?(path: string, state: IViewState): void;
  /** The press of a button on an object that may become a drag into a notebook. */
  press?(event: MouseEvent<HTMLElement>, object: IObject): void;
  /** Say something in passing. */
  notify?(message: string): void;
}
