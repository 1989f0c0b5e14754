import { IRouter } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';
import { VIEW_QUERY } from '../state/link';
import { parseAddress } from './address';
import { CommandIDs, FILE_TYPE, IHDF5Tracker, IShared, NAMESPACE } from './tokens';

/** `/lab/tree/x.h5?h5path=…&slice=…&vis=…&range=…` opens the file at exactly that view. */
export const links: JupyterFrontEndPlugin<void> = {
  id: `${NAMESPACE}:links`,
  description: 'Follows links to views of HDF5 files.',
  autoStart: true,
  requires: [IShared, IHDF5Tracker, IRouter],
  activate: (app: JupyterFrontEnd, shared: IShared, _: IHDF5Tracker, router: IRouter) => {
    const { commands, docRegistry } = app;
    const isHdf5 = (path: string): boolean => docRegistry.getFileTypesForPath(path)[0]?.name === FILE_TYPE;
    commands.addCommand(CommandIDs.followLink, {
      label: 'Follow a Link to an HDF5 View',
      describedBy: {
        args: { type: 'object', properties: { path: { type: 'string' }, search: { type: 'string' } } }
      },
      execute: args => {
        const location = args as unknown as IRouter.ILocation;
        const found = parseAddress(location.path ?? '', location.search ?? '');
        if (!found || !(names(location.search ?? '') || isHdf5(found.path))) {
          return;
        }
        // Lab opens what /tree/ names by itself: it shall start with this view, not with its default.
        shared.starts.set(found.path, { state: found.state });
        // Waiting here would stop Lab's start, which waits for the router.
        void app.restored
          .then(() => commands.execute(CommandIDs.open, { path: found.path, state: found.state as unknown as ReadonlyPartialJSONValue }))
          .finally(() => shared.starts.delete(found.path));
      }
    });
    router.register({ command: CommandIDs.followLink, pattern: new RegExp(`[?&]h5file=|${VIEW_QUERY.source}`), rank: 10 });
  }
};

/** Parameters that are nobody else's: a file of any name is meant to be HDF5 with them. */
function names(search: string): boolean {
  return /[?&](h5path|h5file)=/.test(search);
}
