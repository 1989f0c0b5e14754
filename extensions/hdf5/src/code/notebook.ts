import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PathExt } from '@jupyterlab/coreutils';
import { NotebookActions } from '@jupyterlab/notebook';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { KernelSpec } from '@jupyterlab/services';
import { localPath } from './paths';

/** Where code goes: the notebook that was used last, or a new one beside the file. */
export class Notebooks {
  constructor(
    private readonly _app: JupyterFrontEnd,
    private readonly _tracker: INotebookTracker | null
  ) {}

  /** The contents path of the notebook that was used last. */
  get currentPath(): string | null {
    return this._tracker?.currentWidget?.context.path ?? null;
  }

  /** The notebook that holds this element. */
  pathAt(element: Element | null): string | null {
    const panel = element && this._tracker?.find(widget => widget.node.contains(element));
    return panel ? panel.context.path : null;
  }

  /** The notebook that was used last, or a new one in the folder of `beside`. */
  async take(beside: string): Promise<NotebookPanel> {
    const panel = this._tracker?.currentWidget ?? (await this._create(beside));
    await panel.revealed;
    await panel.context.ready;
    return panel;
  }

  /** Put code into a cell below the active one; an empty active cell is used itself. */
  async insert(panel: NotebookPanel, code: string, run: boolean): Promise<void> {
    const notebook = panel.content;
    this._app.shell.activateById(panel.id);
    const active = notebook.activeCell?.model;
    if (active?.type !== 'code' || active.sharedModel.getSource().trim()) {
      NotebookActions.insertBelow(notebook);
    }
    notebook.activeCell?.model.sharedModel.setSource(code);
    if (notebook.activeCell?.model.type !== 'code') {
      NotebookActions.changeCellType(notebook, 'code');
    }
    if (run) {
      await panel.sessionContext.ready;
      await NotebookActions.run(notebook, panel.sessionContext);
    }
  }

  private async _create(beside: string): Promise<NotebookPanel> {
    await this._app.serviceManager.kernelspecs.ready;
    const panel: NotebookPanel | undefined = await this._app.commands.execute('notebook:create-new', {
      cwd: /^https?:/i.test(beside) ? '' : PathExt.dirname(localPath(beside)),
      kernelName: pythonSpec(this._app.serviceManager.kernelspecs.specs)
    });
    if (!panel) {
      throw new Error('There is no notebook open, and none could be made.');
    }
    return panel;
  }
}

/** The default kernel if it speaks Python, else the first that does. */
function pythonSpec(specs: { default: string; kernelspecs: Record<string, KernelSpec.ISpecModel | undefined> } | null): string | undefined {
  const python = (name: string): boolean => specs?.kernelspecs[name]?.language.toLowerCase() === 'python';
  if (!specs || python(specs.default)) {
    return specs?.default;
  }
  return Object.keys(specs.kernelspecs).find(python);
}
