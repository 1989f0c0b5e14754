import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, ICommandPalette, InputDialog, Notification } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject, ReadonlyPartialJSONValue } from '@lumino/coreutils';
import type { ISource, IViewState } from '../state/viewState';
import { withCurve } from '../viewer/Sources';
import { linkTo } from './address';
import type { HDF5Widget } from './document';
import { CommandIDs, IHDF5Tracker, NAMESPACE } from './tokens';

/** Where a command is asked for on an object: rows of trees, found objects, cards of an overview. */
const OBJECTS = '.ph5-row[data-h5path], .ph5-match[data-h5path], .ph5-card[data-h5path]';

/** Of the plugin that takes data to notebooks. */
const CODE = [CommandIDs.insertCode, 'hdf5:open-in-kernel', 'hdf5:show-in-notebook', 'hdf5:copy-data-url'];

const OBJECT_ARGS = {
  args: {
    type: 'object',
    properties: {
      path: { type: 'string', description: 'Contents path or URL of the file; absent: the current one.' },
      h5path: { type: 'string', description: 'Path inside of the file; absent: what is shown.' },
      slice: { type: 'string', description: 'In numpy’s words.' }
    }
  }
} as const;

interface ITarget {
  path: string;
  h5path: string;
  slice?: string;
  linkPath?: string;
  linkTarget?: string;
}

/** Which object a command is about: its arguments, what was right-clicked, or what is shown. */
class Targets {
  constructor(
    private readonly _app: JupyterFrontEnd,
    private readonly _tracker: IHDF5Tracker
  ) {}

  find(args: ReadonlyPartialJSONObject): ITarget | null {
    const { path, h5path, slice } = args;
    if (typeof path === 'string' && path) {
      return { path, h5path: typeof h5path === 'string' ? h5path : '/', ...(typeof slice === 'string' && { slice }) };
    }
    const clicked = this._app.contextMenuHitTest(node => node.matches?.(OBJECTS));
    if (clicked) {
      return fromNode(clicked);
    }
    const content = this._tracker.currentWidget?.content;
    const state = content?.store.get();
    return content && state ? { path: content.path, h5path: typeof h5path === 'string' ? h5path : state.h5path, slice: state.slice } : null;
  }
}

function fromNode({ dataset }: HTMLElement): ITarget {
  return {
    path: dataset.path ?? '',
    h5path: dataset.h5path ?? '/',
    linkPath: dataset.linkPath,
    linkTarget: dataset.linkTarget
  };
}

/** What can be done with files and with the objects in them. */
export const commands: JupyterFrontEndPlugin<void> = {
  id: `${NAMESPACE}:commands`,
  description: 'Commands, palette and context menus of the HDF5 viewers.',
  autoStart: true,
  requires: [IHDF5Tracker],
  optional: [ICommandPalette, ITranslator],
  activate: (app: JupyterFrontEnd, tracker: IHDF5Tracker, palette: ICommandPalette | null, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('panosc_hdf5');
    const targets = new Targets(app, tracker);
    addOpening(app, targets, trans);
    addCopying(app, targets, tracker, trans);
    addPlotting(app, targets, tracker, trans);
    addViewing(app, tracker, trans);
    addCode(app, targets);
    addToMenu(app);
    const category = trans.__('HDF5');
    for (const command of [CommandIDs.openUrl, CommandIDs.copyLink, CommandIDs.reload, CommandIDs.followLast]) {
      palette?.addItem({ command, category });
    }
  }
};

function addOpening({ commands }: JupyterFrontEnd, targets: Targets, trans: TranslationBundle): void {
  const open = (path: string, state: IViewState, newTab = false): Promise<unknown> =>
    commands.execute(CommandIDs.open, { path, state: state as unknown as ReadonlyPartialJSONValue, newTab });
  commands.addCommand(CommandIDs.openNewTab, {
    label: trans.__('Open in New Tab'),
    describedBy: OBJECT_ARGS,
    execute: args => {
      const target = targets.find(args);
      const state = (args.state ?? (target && { h5path: target.h5path })) as IViewState | null;
      return target && state && open(target.path, state, true);
    }
  });
  commands.addCommand(CommandIDs.openTarget, {
    label: trans.__('Open Target of Link'),
    describedBy: OBJECT_ARGS,
    isVisible: args => Boolean(targets.find(args)?.linkTarget),
    execute: args => {
      const target = targets.find(args);
      if (!target?.linkTarget) {
        Notification.warning(trans.__('This is no link, or its target lies outside of what you may read.'));
        return;
      }
      const parent = target.h5path.slice(0, target.h5path.lastIndexOf('/')) || '/';
      return open(target.linkPath ?? target.path, { h5path: resolve(target.linkTarget, parent) });
    }
  });
  commands.addCommand(CommandIDs.openUrl, {
    label: trans.__('Open HDF5 from URL…'),
    describedBy: { args: { type: 'object', properties: { url: { type: 'string' } } } },
    execute: async args => {
      const url =
        typeof args.url === 'string'
          ? args.url
          : (await InputDialog.getText({ title: trans.__('Open HDF5 from URL'), placeholder: 'https://…/scan.h5' })).value;
      return url ? open(url.trim(), { h5path: '' }) : undefined;
    }
  });
}

/** The absolute path that a soft link's target means. */
export function resolve(target: string, parent: string): string {
  const steps = target.startsWith('/') ? [] : parent.split('/').filter(Boolean);
  for (const step of target.split('/')) {
    if (step && step !== '.') {
      steps.push(step);
    }
  }
  return '/' + steps.join('/');
}

function addCopying({ commands }: JupyterFrontEnd, targets: Targets, tracker: IHDF5Tracker, trans: TranslationBundle): void {
  const copied = (text: string, what: string): void => {
    Clipboard.copyToSystem(text);
    Notification.success(what, { autoClose: 2500 });
  };
  commands.addCommand(CommandIDs.copyPath, {
    label: trans.__('Copy HDF5 Path'),
    describedBy: OBJECT_ARGS,
    isEnabled: args => targets.find(args) !== null,
    execute: args => {
      const target = targets.find(args);
      if (target) {
        copied(target.h5path, trans.__('The path is in the clipboard.'));
      }
    }
  });
  commands.addCommand(CommandIDs.copyLink, {
    label: trans.__('Copy Link to This View'),
    caption: trans.__('A link that opens exactly this view, for a colleague with access to the file'),
    describedBy: OBJECT_ARGS,
    isEnabled: args => targets.find(args) !== null,
    execute: args => {
      const target = targets.find(args);
      if (!target) {
        return undefined;
      }
      const current = tracker.currentWidget?.content;
      const whole = current?.path === target.path && current.store.get().h5path === target.h5path;
      const link = linkTo(target.path, whole ? current.store.get() : { h5path: target.h5path, slice: target.slice });
      copied(link, trans.__('The link is in the clipboard.'));
      return link;
    }
  });
}

function addPlotting({ commands }: JupyterFrontEnd, targets: Targets, tracker: IHDF5Tracker, trans: TranslationBundle): void {
  /** Change what the current viewer shows by an object of its or another file. */
  const onCurrent = (change: (state: IViewState, source: ISource) => Partial<IViewState>) => (args: ReadonlyPartialJSONObject) => {
    const target = targets.find(args);
    const content = viewerFor(tracker);
    if (!target || !content) {
      Notification.info(trans.__('Open a data set first; then this one can be shown with it.'));
      return;
    }
    const source: ISource = { h5path: target.h5path, ...(target.path === content.path ? {} : { path: target.path }) };
    content.store.change(change(content.store.get(), source));
  };
  commands.addCommand(CommandIDs.addToPlot, {
    label: trans.__('Add to Plot'),
    caption: trans.__('Show this curve with the one that is shown'),
    describedBy: OBJECT_ARGS,
    isEnabled: () => viewerFor(tracker) !== null,
    execute: onCurrent(withCurve)
  });
  commands.addCommand(CommandIDs.compareWith, {
    label: trans.__('Compare with What Is Shown'),
    describedBy: OBJECT_ARGS,
    isEnabled: () => viewerFor(tracker) !== null,
    execute: onCurrent((_, compare) => ({ compare, compareMode: 'side' }))
  });
  commands.addCommand(CommandIDs.useAsX, {
    label: trans.__('Use as X Axis'),
    describedBy: OBJECT_ARGS,
    isEnabled: () => viewerFor(tracker) !== null,
    execute: onCurrent((_, { h5path, path }) => (path ? {} : { x: h5path }))
  });
}

/** The viewer that was used last, also while the sidebar has the focus. */
function viewerFor(tracker: IHDF5Tracker): HDF5Widget['content'] | null {
  return tracker.currentWidget?.content ?? null;
}

function addViewing({ commands }: JupyterFrontEnd, tracker: IHDF5Tracker, trans: TranslationBundle): void {
  const none = { args: { type: 'object', properties: {} } } as const;
  commands.addCommand(CommandIDs.reload, {
    label: trans.__('Read HDF5 File Again'),
    describedBy: none,
    isEnabled: () => tracker.currentWidget !== null,
    execute: () => tracker.currentWidget?.content.reload()
  });
  commands.addCommand(CommandIDs.followLast, {
    label: trans.__('Follow Last Frame'),
    describedBy: none,
    isToggled: () => tracker.currentWidget?.content.store.get().follow ?? false,
    isEnabled: () => tracker.currentWidget !== null,
    execute: () => {
      const store = tracker.currentWidget?.content.store;
      store?.change({ follow: !store.get().follow || undefined });
    }
  });
}

/** The commands that write code need arguments, which a context menu has none of. */
function addCode({ commands }: JupyterFrontEnd, targets: Targets): void {
  for (const command of CODE) {
    const there = (): boolean => commands.hasCommand(command);
    commands.addCommand(here(command), {
      label: () => (there() ? commands.label(command) : ''),
      caption: () => (there() ? commands.caption(command) : ''),
      describedBy: OBJECT_ARGS,
      isVisible: there,
      execute: args => {
        const target = targets.find(args);
        if (target) {
          const { path, h5path, slice } = target;
          return commands.execute(command, { path, h5path, ...(slice === undefined ? {} : { slice }) });
        }
      }
    });
  }
}

function here(command: string): string {
  return `${command}-here`;
}

function addToMenu(app: JupyterFrontEnd): void {
  const items = [
    CommandIDs.openNewTab,
    CommandIDs.openTarget,
    null,
    CommandIDs.addToPlot,
    CommandIDs.compareWith,
    CommandIDs.useAsX,
    null,
    ...CODE.map(here),
    null,
    CommandIDs.copyPath,
    CommandIDs.copyLink
  ];
  for (const selector of OBJECTS.split(', ')) {
    items.forEach((command, rank) => {
      app.contextMenu.addItem(command ? { command, selector, rank } : { type: 'separator', selector, rank });
    });
  }
}
