import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { FILE_TYPE, IShared, NAMESPACE } from './tokens';

/** How long an idle moment is waited for. */
const LATEST_MS = 4000;
/** Lab shows the top folder on its way to another one: what was left before that says nothing, and its start comes first. */
const STAYED_MS = 2000;

/** In parts, each in an idle moment of its own: the shell, then what draws. */
const PARTS = [() => import('../viewer/Viewer'), () => import('../vis')];

let started = false;

/** Load what draws pictures, once, when the browser has nothing else to do. What fails is loaded again where it is needed. */
export function loadViews(): void {
  if (!started) {
    started = true;
    next(0);
  }
}

function next(part: number): void {
  if (part < PARTS.length) {
    whenIdle(() => void PARTS[part]().then(
      () => next(part + 1),
      () => undefined
    ));
  }
}

function whenIdle(run: () => void): void {
  if (typeof window.requestIdleCallback === 'function') {
    window.requestIdleCallback(run, { timeout: LATEST_MS });
  } else {
    setTimeout(run, 200);
  }
}

/** Compiling the views takes longer than reading a picture: it is done before the first click, where one is likely. */
export const preload: JupyterFrontEndPlugin<void> = {
  id: `${NAMESPACE}:preload`,
  description: 'Loads the HDF5 views while nothing else happens, where there are HDF5 files.',
  autoStart: true,
  requires: [IShared],
  optional: [IDefaultFileBrowser],
  activate: (app: JupyterFrontEnd, shared: IShared, files: IDefaultFileBrowser | null) => {
    shared.changed.connect(() => {
      if (shared.sidebarShown) {
        loadViews();
      }
    });
    if (!files) {
      return;
    }
    const isHdf5 = (path: string): boolean => app.docRegistry.getFileTypesForPath(path)[0]?.name === FILE_TYPE;
    const { model } = files;
    const look = (): void => {
      for (const { type, path } of model.items()) {
        if (type !== 'directory' && isHdf5(path)) {
          model.refreshed.disconnect(soon);
          files.node.removeEventListener('pointerover', hover);
          loadViews();
          return;
        }
      }
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = (): void => {
      clearTimeout(timer);
      timer = setTimeout(look, STAYED_MS);
    };
    const hover = ({ target }: Event): void => {
      const item = (target as Element).closest?.<HTMLElement>('.jp-DirListing-item');
      if (item?.dataset.fileType === FILE_TYPE) {
        files.node.removeEventListener('pointerover', hover);
        loadViews();
      }
    };
    void app.restored.then(() => {
      files.node.addEventListener('pointerover', hover, { passive: true });
      model.refreshed.connect(soon);
      soon();
    });
  }
};
