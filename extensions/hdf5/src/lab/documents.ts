import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { UUID } from '@lumino/coreutils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { fromJson } from '../state/link';
import type { IViewState } from '../state/viewState';
import { isUrl } from './address';
import { HDF5Document, HDF5Factory, HDF5Panel, HDF5Remote, NoContentModelFactory } from './document';
import type { HDF5Widget, IStart } from './document';
import { hdf5Icon } from './icon';
import { CommandIDs, FACTORY, FILE_TYPE, IHDF5Tracker, IShared, NAMESPACE } from './tokens';

const EXTENSIONS = [
  '.h5', '.hdf5', '.hdf', '.he5', '.h5m', '.h5ad', '.nxs', '.nx', '.nx5', '.nexus', '.nxspe', '.cxi', '.emd', '.nc4'
];
/** A view state is written into the layout when it has been still for so long. */
const SAVED_AFTER_MS = 400;

const STATE_SCHEMA = {
  type: 'object',
  description: 'What is shown; the parameters of a deep link as an object.',
  properties: { h5path: { type: 'string' }, slice: { type: 'string' }, vis: { type: 'string' } }
} as const;

/** Double click, "Open With", the restored layout, and the command that everything else opens files with. */
export const documents: JupyterFrontEndPlugin<IHDF5Tracker> = {
  id: `${NAMESPACE}:documents`,
  description: 'Opens HDF5 and NeXus files.',
  autoStart: true,
  provides: IHDF5Tracker,
  requires: [IShared, IDocumentManager],
  optional: [ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    shared: IShared,
    docManager: IDocumentManager,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ): IHDF5Tracker => {
    const trans = (translator ?? nullTranslator).load('panosc_hdf5');
    const tracker = new WidgetTracker<HDF5Widget>({ namespace: 'hdf5' });
    const factory = register(app, shared, trans.__('HDF5'));
    factory.widgetCreated.connect((_, widget) => {
      widget.title.icon = hdf5Icon;
      track(tracker, widget);
    });
    const opener = new Opener(app, shared, docManager, tracker);
    app.commands.addCommand(CommandIDs.open, {
      label: trans.__('Open HDF5 File'),
      describedBy: {
        args: {
          type: 'object',
          required: ['path'],
          properties: {
            path: { type: 'string', description: 'Contents path, or a URL.' },
            h5path: { type: 'string', description: 'What to show; shorthand for state.h5path.' },
            state: STATE_SCHEMA,
            newTab: { type: 'boolean' },
            viewId: { type: 'string', description: 'Of a restored layout.' }
          }
        }
      },
      execute: args => opener.open(args)
    });
    void restorer?.restore(tracker, {
      command: CommandIDs.open,
      args: widget => ({
        path: pathOf(widget),
        state: widget.content.store.get() as unknown as ReadonlyPartialJSONObject,
        viewId: widget.content.viewId
      }),
      name: widget => widget.content.viewId
    });
    return tracker;
  }
};

function register(app: JupyterFrontEnd, shared: IShared, label: string): HDF5Factory {
  const { docRegistry } = app;
  docRegistry.addModelFactory(new NoContentModelFactory());
  docRegistry.addFileType({
    name: FILE_TYPE,
    displayName: 'HDF5',
    extensions: EXTENSIONS,
    mimeTypes: ['application/x-hdf5'],
    contentType: 'file',
    fileFormat: null,
    icon: hdf5Icon
  });
  // "*": HDF5 files have all kinds of names; "Open With" offers it for any, the server refuses others in words
  const factory = new HDF5Factory(shared, { name: FACTORY, label, fileTypes: [FILE_TYPE, '*'], defaultFor: [FILE_TYPE] });
  docRegistry.addWidgetFactory(factory);
  return factory;
}

/** Contents path with its drive, or a URL. */
function pathOf(widget: HDF5Widget): string {
  return widget instanceof HDF5Document ? widget.context.path : widget.content.path;
}

function track(tracker: WidgetTracker<HDF5Widget>, widget: HDF5Widget): void {
  void tracker.add(widget);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const save = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => !widget.isDisposed && void tracker.save(widget), SAVED_AFTER_MS);
  };
  const stop = widget.content.store.subscribe(save);
  if (widget instanceof HDF5Document) {
    widget.context.pathChanged.connect(save);
  }
  widget.disposed.connect(() => {
    clearTimeout(timer);
    stop();
  });
}

class Opener {
  constructor(
    private readonly _app: JupyterFrontEnd,
    private readonly _shared: IShared,
    private readonly _docManager: IDocumentManager,
    private readonly _tracker: WidgetTracker<HDF5Widget>
  ) {}

  /** Open, or go to, a file; with a state, show that. */
  async open(args: ReadonlyPartialJSONObject): Promise<HDF5Widget | undefined> {
    const path = String(args.path ?? '');
    if (!path) {
      throw new Error('Which file? The argument path is missing.');
    }
    const asked = fromJson(args.state) ?? (args.h5path ? { h5path: String(args.h5path) } : undefined);
    const state = asked as IViewState | undefined;
    const restored = typeof args.viewId === 'string' ? args.viewId : undefined;
    if (isUrl(path)) {
      return this._openUrl(path, state, restored);
    }
    const start: Partial<IStart> = { state, viewId: restored ?? UUID.uuid4() };
    const there = restored || args.newTab ? undefined : this._existing(path);
    if (there) {
      this._docManager.openOrReveal(path, FACTORY);
      this._app.shell.activateById(there.id);
      if (state) {
        there.content.store.set(state);
      }
      return there;
    }
    this._shared.starts.set(path, start);
    return this._docManager.open(path, FACTORY) as HDF5Document | undefined;
  }

  private _existing(path: string): HDF5Widget | undefined {
    const current = this._tracker.currentWidget;
    const ofPath = (widget: HDF5Widget): boolean => pathOf(widget) === path || widget.content.path === path;
    return current && ofPath(current) ? current : this._tracker.find(ofPath);
  }

  private _openUrl(url: string, state: IViewState | undefined, viewId: string | undefined): HDF5Widget {
    const existing = viewId ? undefined : this._existing(url);
    if (existing) {
      if (state) {
        existing.content.store.set(state);
      }
      this._app.shell.activateById(existing.id);
      return existing;
    }
    const content = new HDF5Panel(this._shared, url, { ...(state && { state }), viewId: viewId ?? UUID.uuid4() });
    const widget = new HDF5Remote({ content });
    widget.id = `hdf5-${content.viewId}`;
    widget.title.label = url.split('/').pop() || url;
    widget.title.caption = url;
    widget.title.icon = hdf5Icon;
    widget.title.closable = true;
    track(this._tracker, widget);
    this._app.shell.add(widget, 'main');
    return widget;
  }
}
