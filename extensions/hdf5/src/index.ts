import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { codePlugins } from './code';
import { commands } from './lab/commands';
import { documents } from './lab/documents';
import { links } from './lab/links';
import { preload } from './lab/preload';
import { shared } from './lab/shared';
import { sidebar } from './lab/sidebar';
import { widgetPlugins } from './widget';

const plugins: JupyterFrontEndPlugin<unknown>[] = [shared, documents, links, commands, sidebar, preload, ...codePlugins, ...widgetPlugins];

export default plugins;
