import { MainAreaWidget } from '@jupyterlab/apputils';
import { ABCWidgetFactory, DocumentWidget, TextModelFactory } from '@jupyterlab/docregistry';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import { ReactWidget } from '@jupyterlab/ui-components';
import { UUID } from '@lumino/coreutils';
import type { Message } from '@lumino/messaging';
import { lazy, Suspense } from 'react';
import type { ReactElement } from 'react';
import { ViewStore } from '../state/store';
import type { IViewState } from '../state/viewState';
import { FACTORY } from './tokens';
import type { IShared } from './tokens';
import { leaveUntouched } from './untouched';

const Viewer = lazy(async () => ({ default: (await import('../viewer/Viewer')).Viewer }));

export const MODEL = 'hdf5-no-content';

/** A model whose content Lab never asks for: a file of 100 GB opens like one of 1 kB. */
export class NoContentModelFactory extends TextModelFactory {
  get name(): string {
    return MODEL;
  }

  get contentType(): Contents.ContentType {
    return 'file';
  }

  get fileFormat(): Contents.FileFormat {
    return null;
  }

  createNew(options?: Parameters<TextModelFactory['createNew']>[0]): DocumentRegistry.ICodeModel {
    const model = super.createNew(options);
    model.readOnly = true;
    return model;
  }
}

/** How a view starts, and by which name the layout knows it. */
export interface IStart {
  state: IViewState;
  viewId: string;
}

/** The viewer in Lab. */
export class HDF5Panel extends ReactWidget {
  readonly store: ViewStore;
  readonly viewId: string;

  constructor(
    private readonly _shared: IShared,
    private _path: string,
    start?: Partial<IStart>
  ) {
    super();
    const { followLast } = _shared.options;
    this.store = new ViewStore(start?.state ?? { h5path: '', follow: followLast || undefined });
    this.viewId = start?.viewId ?? UUID.uuid4();
    this.addClass('ph5-panel');
    _shared.changed.connect(this.update, this);
  }

  get path(): string {
    return this._path;
  }

  set path(path: string) {
    this._path = path;
    this.update();
  }

  /** Read the file again. */
  reload(): void {
    this.node.querySelector<HTMLElement>('.ph5-toolbar [aria-label="Read the file again"]')?.click();
  }

  dispose(): void {
    this._shared.changed.disconnect(this.update, this);
    super.dispose();
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.update();
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.update();
  }

  protected onActivateRequest(): void {
    if (!this.node.contains(document.activeElement)) {
      const first = this.node.querySelector<HTMLElement>('[role=treeitem][tabindex="0"], .ph5-toolbar button');
      (first ?? this.node).focus();
    }
  }

  protected render(): ReactElement {
    const { server, host, memory, options, theme, sidebarShown } = this._shared;
    return (
      <Suspense fallback={<p className="ph5-note ph5-loading">Loading the viewer…</p>}>
        <Viewer
          key={this._path}
          client={server.client(this._path)}
          clientFor={server.client}
          store={this.store}
          model={this._shared.model(this._path)}
          memory={memory}
          host={host}
          options={options}
          theme={theme}
          treeElsewhere={sidebarShown}
          visible={this.isVisible}
        />
      </Suspense>
    );
  }
}

/** A file of the contents manager. */
export class HDF5Document extends DocumentWidget<HDF5Panel> {
  /** `docmanager:open` with a fragment: an HDF5 path. */
  setFragment(fragment: string): void {
    const h5path = decodeURIComponent(fragment.replace(/^#/, ''));
    if (h5path) {
      this.content.store.set({ h5path });
    }
  }
}

/** A file at a URL. */
export class HDF5Remote extends MainAreaWidget<HDF5Panel> {}

export type HDF5Widget = HDF5Document | HDF5Remote;

/** Makes the document of a file. */
export class HDF5Factory extends ABCWidgetFactory<HDF5Document> {
  constructor(
    private readonly _shared: IShared,
    options: DocumentRegistry.IWidgetFactoryOptions<HDF5Document>
  ) {
    super({ ...options, name: FACTORY, modelName: MODEL, readOnly: true });
  }

  protected createNewWidget(context: DocumentRegistry.Context): HDF5Document {
    leaveUntouched(context);
    const { starts } = this._shared;
    const content = new HDF5Panel(this._shared, context.localPath, starts.get(context.path));
    starts.delete(context.path);
    content.title.label = context.path.split('/').pop() ?? context.path;
    context.pathChanged.connect(() => {
      content.path = context.localPath;
    });
    const widget = new HDF5Document({ content, context });
    widget.toolbar.hide(); // the viewer's own says what the file is
    return widget;
  }
}
