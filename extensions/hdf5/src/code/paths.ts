import { PathExt } from '@jupyterlab/coreutils';
import { parseSlice } from './python';
import { isRemote } from './snippets';

/** A contents path without its drive. */
export function localPath(path: string): string {
  return isRemote(path) ? path : path.replace(/^[A-Za-z][\w-]*:/, '');
}

/** The file as code in this notebook names it: relative to the notebook's folder, where its kernel starts. */
export function pathFrom(notebook: string | null, file: string): string {
  if (isRemote(file)) {
    return file;
  }
  const local = localPath(file).replace(/^\/+/, '');
  if (notebook === null) {
    return local;
  }
  return PathExt.relative(PathExt.dirname(localPath(notebook)), local) || PathExt.basename(local);
}

/** The file can't be named in a data URL. */
export class DataUrlError extends Error {}

/**
 * silx' data URL of this.
 *
 * @param serverRoot - Lab's page option; makes the path absolute where it is.
 */
export function dataUrl(path: string, h5path: string, slice?: string, serverRoot = ''): string {
  if (isRemote(path)) {
    return `${path}::${h5path}`;
  }
  const local = localPath(path).replace(/^\/+/, '');
  const file = serverRoot.startsWith('/') ? `${serverRoot.replace(/\/+$/, '')}/${local}` : local;
  if (/[?#;\0]|\/\/|::/.test(file)) {
    // silx takes the file's part as it is, without escapes
    throw new DataUrlError('A silx data URL can not name this file: its path holds one of "?", "#", ";" or "::".');
  }
  let query: string;
  try {
    query = `path=${encodeURIComponent(h5path).replace(/%2F/g, '/')}`;
  } catch {
    throw new DataUrlError('A silx data URL can not name this object: its name is no valid text.');
  }
  const items = parseSlice(slice ?? '').map(item => item.text);
  const slicing = items.length ? `&slice=${items.join(',')}` : '';
  return `silx:${file.startsWith('/') ? '//' : ''}${file}?${query}${slicing}`;
}
