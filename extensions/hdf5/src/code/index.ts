import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, Notification } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { sharedServer } from '../api/server';
import type { IEntity } from '../api/types';
import type { IViewState } from '../state/viewState';
import { setNotebookFinder } from './drag';
import { Notebooks } from './notebook';
import { dataUrl, pathFrom } from './paths';
import { adoptFlavour, preferences } from './preferences';
import { snippet } from './snippets';
import { FLAVOURS, isFlavour, subjectOf } from './subject';
import type { Flavour } from './subject';
import { viewCode } from './viewCode';

export { startCodeDrag } from './drag';
export type { IDragSource } from './drag';

export const CodeCommands = {
  insert: 'hdf5:insert-code',
  open: 'hdf5:open-in-kernel',
  show: 'hdf5:show-in-notebook',
  copy: 'hdf5:copy-data-url'
} as const;

const SETTINGS = '@panosc/jupyterlab-hdf5:plugin';

interface IArgs {
  path: string;
  h5path: string;
  slice?: string;
  flavour?: Flavour;
  /** For `show`: everything else that is shown. */
  state?: Partial<IViewState>;
}

const ARGS_SCHEMA = {
  type: 'object',
  required: ['path', 'h5path'],
  properties: {
    path: { type: 'string', description: 'Contents path of the file, or its URL.' },
    h5path: { type: 'string', description: 'Path of the object inside the file.' },
    slice: { type: 'string', description: "Numpy syntax, such as '3, :, :'." },
    flavour: { type: 'string', enum: [...FLAVOURS], description: 'How the code reads; the settings say which is the default.' },
    state: { type: 'object', description: 'What else is shown: range, scale, roi and so on (for show-in-notebook).' }
  }
};

/** Arguments from a menu, a link or another extension. @throws Error in words. */
function readArgs(args: ReadonlyPartialJSONObject): IArgs {
  const { path, h5path, slice, flavour, state } = args;
  if (typeof path !== 'string' || !path || typeof h5path !== 'string' || !h5path) {
    throw new Error('Which object? The command needs "path" and "h5path".');
  }
  return {
    path,
    h5path,
    slice: typeof slice === 'string' ? slice : undefined,
    flavour: isFlavour(flavour) ? flavour : undefined,
    state: typeof state === 'object' && state !== null ? (state as Partial<IViewState>) : undefined
  };
}

/** What is known of the object; without the server's word the code is the plainest. */
async function known(args: IArgs): Promise<IEntity | undefined> {
  try {
    return await sharedServer().client(args.path).json<IEntity>('entity', { h5path: args.h5path });
  } catch {
    return undefined;
  }
}

const commands: JupyterFrontEndPlugin<void> = {
  id: '@panosc/jupyterlab-hdf5:code',
  description: 'Takes HDF5 data to the notebook: code, variables, the viewer in a cell.',
  autoStart: true,
  optional: [INotebookTracker, ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker | null,
    settings: ISettingRegistry | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('panosc_hdf5');
    const notebooks = new Notebooks(app, tracker);
    setNotebookFinder(element => notebooks.pathAt(element));
    followSettings(settings);

    const insert = async (args: IArgs, run: boolean): Promise<void> => {
      const [panel, entity] = await Promise.all([notebooks.take(args.path), known(args)]);
      const subject = subjectOf(pathFrom(panel.context.path, args.path), args.h5path, args.slice, entity);
      await notebooks.insert(panel, snippet(args.flavour ?? preferences.flavour, subject).code, run);
    };
    const show = async (args: IArgs): Promise<void> => {
      const panel = await notebooks.take(args.path);
      const state = { ...args.state, h5path: args.h5path, slice: args.slice ?? args.state?.slice };
      await notebooks.insert(panel, viewCode(pathFrom(panel.context.path, args.path), state), true);
    };
    const copy = async (args: IArgs): Promise<void> => {
      Clipboard.copyToSystem(dataUrl(args.path, args.h5path, args.slice, PageConfig.getOption('serverRoot')));
    };

    const add = (id: string, label: string, caption: string, execute: (args: IArgs) => Promise<void>): void => {
      app.commands.addCommand(id, {
        label,
        caption,
        describedBy: { args: ARGS_SCHEMA },
        execute: async args => {
          try {
            await execute(readArgs(args));
          } catch (reason) {
            Notification.error(reason instanceof Error ? reason.message : String(reason), { autoClose: 8000 });
          }
        }
      });
    };
    add(CodeCommands.insert, trans.__('Insert Code'), trans.__('Insert a cell that reads this'), args => insert(args, false));
    add(CodeCommands.open, trans.__('Open in Kernel'), trans.__('Load this into a variable of the notebook'), args =>
      insert(args, true)
    );
    add(CodeCommands.show, trans.__('Show in Notebook'), trans.__('Insert a cell with this viewer'), show);
    add(CodeCommands.copy, trans.__('Copy silx Data URL'), trans.__('Copy an address that silx and panosc_hdf5 read'), copy);
  }
};

function followSettings(registry: ISettingRegistry | null): void {
  registry?.load(SETTINGS).then(
    found => {
      const adopt = (): void => adoptFlavour(found.get('codeFlavour').composite);
      found.changed.connect(adopt);
      adopt();
    },
    () => undefined // without its schema there are no settings, and the default stays
  );
}

export const codePlugins: JupyterFrontEndPlugin<unknown>[] = [commands];
