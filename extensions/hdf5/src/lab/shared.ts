import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, IThemeManager, Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { Signal } from '@lumino/signaling';
import type { MouseEvent } from 'react';
import { sharedServer } from '../api/server';
import { TreeModel } from '../browser/model';
import { ViewMemory } from '../state/memory';
import type { IViewState } from '../state/viewState';
import type { IHost, IObject } from '../viewer/host';
import { DEFAULTS, optionsFrom } from '../viewer/options';
import { startCodeDrag } from '../code/drag';
import { linkTo } from './address';
import type { IStart } from './document';
import { CommandIDs, IShared, NAMESPACE } from './tokens';

/** Trees of files that were looked at are kept, so that they are open as they were; those of so many files. */
const KEPT_TREES = 16;

class Shared implements IShared {
  readonly server = sharedServer();
  readonly memory = new ViewMemory();
  readonly starts = new Map<string, Partial<IStart>>();
  options = DEFAULTS;
  theme: 'light' | 'dark' = 'light';
  sidebarShown = false;
  private readonly _changed = new Signal<IShared, void>(this);
  private readonly _models = new Map<string, TreeModel>();

  constructor(readonly host: IHost) {}

  get changed(): Signal<IShared, void> {
    return this._changed;
  }

  model(path: string): TreeModel {
    const model = this._models.get(path) ?? new TreeModel(this.server.client(path), nameOf(path), this.options.sort);
    this._models.delete(path);
    this._models.set(path, model);
    for (const oldest of this._models.keys()) {
      if (this._models.size <= KEPT_TREES) {
        break;
      }
      this._models.delete(oldest);
    }
    return model;
  }

  setSidebarShown(shown: boolean): void {
    if (shown !== this.sidebarShown) {
      this.sidebarShown = shown;
      this._changed.emit();
    }
  }

  setTheme(light: boolean): void {
    this.theme = light ? 'light' : 'dark';
    this._changed.emit();
  }

  setOptions(settings: Record<string, unknown>): void {
    this.options = optionsFrom(settings);
    this.memory.setKeep(this.options.keepView);
    this._changed.emit();
  }
}

function nameOf(path: string): string {
  return path.replace(/\/+$/, '').split('/').pop() || path;
}

/** What Lab does for the viewers. */
function makeHost({ commands }: JupyterFrontEnd): IHost {
  const run = (command: string, args: object): void => {
    void commands.execute(command, args as never).catch(error => Notification.error(String(error.message ?? error)));
  };
  return {
    open: (path, state, newTab) => run(newTab ? CommandIDs.openNewTab : CommandIDs.open, { path, state }),
    insertCode: ({ path, h5path, slice }: IObject) => {
      if (commands.hasCommand(CommandIDs.insertCode)) {
        run(CommandIDs.insertCode, { path, h5path, ...(slice === undefined ? {} : { slice }) });
      }
    },
    copyLink: (path: string, state: IViewState) => {
      Clipboard.copyToSystem(linkTo(path, state));
      Notification.success('The link to this view is in the clipboard.', { autoClose: 2500 });
    },
    press: (event: MouseEvent<HTMLElement>, object: IObject) => startCodeDrag(event.nativeEvent, object),
    notify: message => void Notification.info(message, { autoClose: 4000 })
  };
}

/** Preferences, theme, and the one server client of the page. */
export const shared: JupyterFrontEndPlugin<IShared> = {
  id: `${NAMESPACE}:plugin`,
  description: 'Preferences, theme and server of the HDF5 viewers.',
  autoStart: true,
  provides: IShared,
  optional: [ISettingRegistry, IThemeManager],
  activate: (app: JupyterFrontEnd, registry: ISettingRegistry | null, themes: IThemeManager | null): IShared => {
    const found = new Shared(makeHost(app));
    const theme = (): void => found.setTheme(!themes?.theme || themes.isLight(themes.theme));
    themes?.themeChanged.connect(theme);
    theme();
    void registry?.load(`${NAMESPACE}:plugin`).then(
      settings => {
        const apply = (): void => found.setOptions(settings.composite as Record<string, unknown>);
        settings.changed.connect(apply);
        apply();
      },
      error => console.error('The HDF5 settings could not be loaded; the standard ones apply.', error)
    );
    return found;
  }
};
