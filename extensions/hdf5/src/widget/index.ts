import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

/** The module's name and version as `panosc_hdf5/widget.py` asks for them. */
const MODULE = '@panosc/jupyterlab-hdf5';
const VERSION = '0.1.0';

/**
 * Gives `panosc_hdf5.view` its viewer.
 *
 * `@jupyter-widgets/base` comes from jupyterlab_widgets. Where that is not installed, or disabled, importing it or its token at
 * the top would keep the whole extension from loading: so both are asked for here, and their absence is no failure.
 */
const widget: JupyterFrontEndPlugin<void> = {
  id: '@panosc/jupyterlab-hdf5:widget',
  description: 'The HDF5 viewer in notebook cells.',
  autoStart: true,
  activate: async (app: JupyterFrontEnd): Promise<void> => {
    try {
      const { IJupyterWidgetRegistry } = await import('@jupyter-widgets/base');
      const registry = await app.resolveOptionalService(IJupyterWidgetRegistry);
      registry?.registerWidget({ name: MODULE, version: VERSION, exports: async () => import('./model') });
    } catch (reason) {
      console.info('panosc_hdf5.view() needs jupyterlab_widgets, which this Lab does not have.', reason);
    }
  }
};

export const widgetPlugins: JupyterFrontEndPlugin<unknown>[] = [widget];
