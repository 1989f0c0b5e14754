import { Notification } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';

/**
 * Keep Lab from writing a data file.
 *
 * Lab copies each writable document into `.ipynb_checkpoints` when it opens, and *Save* would write the empty text that stands for a
 * file's content here. Neither may happen to data, whoever asks: a menu, a shortcut, autosave or another extension.
 */
export function leaveUntouched(context: DocumentRegistry.Context): void {
  const contentsModel = nearest(context, 'contentsModel');
  Object.defineProperties(context, {
    contentsModel: {
      get: (): Contents.IModel | null => {
        const model: Contents.IModel | null = contentsModel?.call(context) ?? null;
        return model && { ...model, writable: false };
      }
    },
    canSave: { get: () => false },
    save: { value: () => Promise.resolve() },
    saveAs: {
      value: async () => {
        Notification.info('The viewer writes no files. Duplicate or download the file in the file browser, or export what is shown.');
        return false;
      }
    },
    listCheckpoints: { value: () => Promise.resolve([]) },
    createCheckpoint: { value: () => Promise.resolve({ id: '', last_modified: '' }) },
    restoreCheckpoint: { value: () => Promise.resolve() }
  });
}

/** The getter of a property, wherever it is inherited from. */
function nearest(object: object, name: string): (() => Contents.IModel | null) | undefined {
  for (let owner: object | null = object; owner; owner = Object.getPrototypeOf(owner)) {
    const found = Object.getOwnPropertyDescriptor(owner, name);
    if (found) {
      return found.get;
    }
  }
  return undefined;
}
