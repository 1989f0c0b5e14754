import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { Contents } from '@jupyterlab/services';
import { ReactWidget } from '@jupyterlab/ui-components';
import { lazy, Suspense } from 'react';
import type { ReactElement } from 'react';
import type { IFolderItem, ListFolder } from '../browser/folder';
import { isUrl } from './address';
import type { HDF5Widget } from './document';
import { hdf5Icon } from './icon';
import { CommandIDs, FILE_TYPE, IHDF5Tracker, IShared, NAMESPACE } from './tokens';

const Browser = lazy(async () => ({ default: (await import('../browser/Browser')).Browser }));
const Folder = lazy(async () => ({ default: (await import('../browser/Folder')).Folder }));
/** Looking at the file browser's selection is cheap, but not for each mouse move. */
const SELECTION_MS = 400;

/** The tree of the HDF5 file that is in use: the current document's, else the one selected in the file browser; before that, the files there are. */
class Sidebar extends ReactWidget {
  /** The file whose tree is shown; null while files are looked for. */
  private _path: string | null = null;
  /** The folder somebody went to; null: where the sidebar begins. */
  private _folder: string | null = null;
  private _missing = '';
  private _widget: HDF5Widget | null = null;
  private _stop: (() => void) | null = null;
  private _revision = 0;
  private readonly _selected = new Map<string, string>();

  constructor(
    private readonly _shared: IShared,
    private readonly _open: (path: string, h5path: string) => void,
    private readonly _list: ListFolder,
    /** The file browser's folder. */
    private readonly _current: () => string
  ) {
    super();
    this.id = 'hdf5-browser';
    this.title.icon = hdf5Icon;
    this.title.caption = 'HDF5';
    this.addClass('ph5-sidebar');
    _shared.changed.connect(this.update, this);
  }

  /** Show a document's file, and what is selected in it. */
  showWidget(widget: HDF5Widget): void {
    this._stop?.();
    this._widget = widget;
    this._path = widget.content.path;
    this._stop = widget.content.store.subscribe(() => this.update());
    widget.disposed.connect(() => {
      if (this._widget === widget) {
        this._stop?.();
        this._widget = null;
        this.update();
      }
    });
    this.update();
  }

  /** Show a file that no document shows. */
  showFile(path: string): void {
    if (path !== this._path) {
      this._stop?.();
      this._widget = null;
      this._path = path;
      this.update();
    }
  }

  protected onAfterShow(): void {
    this._shared.setSidebarShown(true);
    this.update();
  }

  protected onAfterHide(): void {
    this._shared.setSidebarShown(false);
  }

  protected render(): ReactElement {
    if (!this.isVisible) {
      return <></>; // nothing is asked for what nobody sees
    }
    const path = this._path;
    if (path === null) {
      return (
        <Suspense fallback={<p className="ph5-note">Loading…</p>}>
          <Folder
            path={this._folder ?? this._startFolder()}
            list={this._listed}
            onFolder={folder => this._goTo(folder)}
            onFile={file => {
              this.showFile(file);
              this._open(file, '');
            }}
          />
        </Suspense>
      );
    }
    const { host, options } = this._shared;
    const model = this._shared.model(path);
    return (
      <Suspense fallback={<p className="ph5-note">Loading…</p>}>
        <Browser
          key={path}
          model={model}
          selected={this._widget?.content.store.get().h5path ?? this._selected.get(path) ?? ''}
          onSelect={h5path => this._select(path, h5path)}
          onReload={() => this._reload(path)}
          onFolder={() => this._leave(path)}
          host={host}
          colorMap={options.colorMap}
          revision={this._revision}
        />
      </Suspense>
    );
  }

  private _select(path: string, h5path: string): void {
    this._selected.set(path, h5path);
    this.update();
    this._open(path, h5path);
  }

  private _startFolder(): string {
    const { startFolder } = this._shared.options;
    return startFolder && startFolder !== this._missing ? startFolder : this._current();
  }

  private _goTo(folder: string): void {
    this._folder = folder;
    this.update();
  }

  /** From a file's tree to the files beside it. */
  private _leave(path: string): void {
    this._stop?.();
    this._widget = null;
    this._path = null;
    this._goTo(isUrl(path) ? this._startFolder() : path.split('/').slice(0, -1).join('/'));
  }

  /** A preferred folder that is not there is passed over. */
  private readonly _listed: ListFolder = async path => {
    try {
      return await this._list(path);
    } catch (error) {
      if (path === this._shared.options.startFolder && this._folder === null) {
        this._missing = path;
        this.update();
      }
      throw error;
    }
  };

  private _reload(path: string): void {
    this._revision++;
    this._shared.server.client(path).forget();
    this._shared.model(path).refresh();
    this._widget?.content.reload();
    this.update();
  }
}

/** The browser in the left sidebar. */
export const sidebar: JupyterFrontEndPlugin<void> = {
  id: `${NAMESPACE}:sidebar`,
  description: 'Shows what is in HDF5 files, in the sidebar.',
  autoStart: true,
  requires: [IShared, IHDF5Tracker],
  optional: [ILayoutRestorer, IDefaultFileBrowser, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    shared: IShared,
    tracker: IHDF5Tracker,
    restorer: ILayoutRestorer | null,
    files: IDefaultFileBrowser | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('panosc_hdf5');
    const panel = new Sidebar(
      shared,
      (path, h5path) => void open(app, tracker, path, h5path).then(() => tracker.currentWidget?.content.path === path && follow()),
      path => listFolder(app, path),
      () => (files ? app.serviceManager.contents.localPath(files.model.path) : '')
    );
    files?.model.pathChanged.connect(() => panel.update());
    app.shell.add(panel, 'left', { rank: 110, type: 'HDF5' });
    restorer?.add(panel, panel.id);
    const follow = (): void => {
      if (tracker.currentWidget) {
        panel.showWidget(tracker.currentWidget);
      }
    };
    tracker.currentChanged.connect(follow);
    follow();
    if (files) {
      followSelection(app, files, path => panel.showFile(path));
    }
    app.commands.addCommand(CommandIDs.showBrowser, {
      label: trans.__('Show HDF5 Browser'),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({ command: CommandIDs.showBrowser, category: trans.__('HDF5') });
  }
};

/** Folders, and what Lab takes for HDF5. Hidden ones are not listed. */
async function listFolder({ serviceManager, docRegistry }: JupyterFrontEnd, path: string): Promise<IFolderItem[]> {
  const { content } = await serviceManager.contents.get(path, { type: 'directory', content: true });
  const shown = (content as Contents.IModel[]).filter(
    ({ name, path, type }) =>
      !name.startsWith('.') && (type === 'directory' || docRegistry.getFileTypesForPath(path)[0]?.name === FILE_TYPE)
  );
  return shown.map(({ name, path, type, last_modified, size }) => ({
    name,
    path,
    kind: type === 'directory' ? 'folder' : 'file',
    modified: last_modified,
    size: size ?? undefined
  }));
}

/** Show an object: in the viewer that shows its file, else in a new one. */
async function open(app: JupyterFrontEnd, tracker: IHDF5Tracker, path: string, h5path: string): Promise<void> {
  const current = tracker.currentWidget;
  if (current?.content.path === path && current.isVisible) {
    if (!h5path) {
      return; // the file is what was asked for
    }
    const { colorMap, invertColorMap, keepAspect, reduce, mask } = current.content.store.get();
    current.content.store.set({ h5path, colorMap, invertColorMap, keepAspect, reduce, mask });
    return;
  }
  await app.commands.execute(CommandIDs.open, { path, state: { h5path } });
}

/** Lab has no signal for the file browser's selection: it is looked at after clicks and keys in it. */
function followSelection(app: JupyterFrontEnd, files: IDefaultFileBrowser, found: (path: string) => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = (): void => {
    const [item, ...more] = [...files.selectedItems()];
    if (item && !more.length && item.type !== 'directory' && app.docRegistry.getFileTypesForPath(item.path)[0]?.name === FILE_TYPE) {
      found(app.serviceManager.contents.localPath(item.path));
    }
  };
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(look, SELECTION_MS);
  };
  files.node.addEventListener('click', soon);
  files.node.addEventListener('keyup', soon);
}
