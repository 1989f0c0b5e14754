import type { IWidgetTracker } from '@jupyterlab/apputils';
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import type { Server } from '../api/server';
import type { TreeModel } from '../browser/model';
import type { ViewMemory } from '../state/memory';
import type { IHost } from '../viewer/host';
import type { IViewerOptions } from '../viewer/options';
import type { HDF5Widget, IStart } from './document';

export const NAMESPACE = '@panosc/jupyterlab-hdf5';
export const FACTORY = 'HDF5';
export const FILE_TYPE = 'hdf5';

export const CommandIDs = {
  open: 'hdf5:open',
  openNewTab: 'hdf5:open-in-new-tab',
  openTarget: 'hdf5:open-target',
  openUrl: 'hdf5:open-url',
  copyPath: 'hdf5:copy-path',
  copyLink: 'hdf5:copy-link',
  followLink: 'hdf5:follow-link',
  addToPlot: 'hdf5:add-to-plot',
  compareWith: 'hdf5:compare-with',
  useAsX: 'hdf5:use-as-x',
  reload: 'hdf5:reload',
  followLast: 'hdf5:follow-last',
  showBrowser: 'hdf5:show-browser',
  /** Of the plugin that writes code. */
  insertCode: 'hdf5:insert-code'
} as const;

/** What the viewers of a page share. */
export interface IShared {
  readonly server: Server;
  readonly memory: ViewMemory;
  readonly host: IHost;
  readonly options: IViewerOptions;
  readonly theme: 'light' | 'dark';
  /** Whether the sidebar shows a tree; beside the picture there is none then. */
  sidebarShown: boolean;
  /** Options, theme or sidebar changed. */
  readonly changed: ISignal<IShared, void>;
  setSidebarShown(shown: boolean): void;
  /** How the next document of a file starts, by contents path; taken when it is made. */
  readonly starts: Map<string, Partial<IStart>>;
  /** The tree of a file; sidebar and document show the same one. */
  model(path: string): TreeModel;
}

export const IShared = new Token<IShared>(
  `${NAMESPACE}:IShared`,
  'What the HDF5 viewers of a page share: the server, preferences, theme and trees.'
);

export type IHDF5Tracker = IWidgetTracker<HDF5Widget>;

export const IHDF5Tracker = new Token<IHDF5Tracker>(`${NAMESPACE}:IHDF5Tracker`, 'The open HDF5 files.');
