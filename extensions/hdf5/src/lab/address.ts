import { PageConfig } from '@jupyterlab/coreutils';
import { fromQuery, toQuery } from '../state/link';
import type { IViewState } from '../state/viewState';

/** Remote files have a URL instead of a contents path. */
export function isUrl(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/** The address of a view, to be sent to somebody. */
export function linkTo(path: string, state: IViewState): string {
  const query = toQuery(state);
  if (isUrl(path)) {
    const base = PageConfig.getUrl({ workspace: PageConfig.defaultWorkspace, treePath: '' });
    return `${base}?h5file=${encodeURIComponent(path)}${query && `&${query}`}`;
  }
  return PageConfig.getUrl({ workspace: PageConfig.defaultWorkspace, treePath: path }) + (query && `?${query}`);
}

/** What an address of Lab says to open; null if it says nothing about HDF5. `/lab/tree/x.h5?h5path=…` or `/lab?h5file=x.h5&…`. */
export function parseAddress(pathname: string, search: string): { path: string; state: IViewState } | null {
  const file = new URLSearchParams(search).get('h5file');
  const state = fromQuery(search);
  if (file) {
    return { path: file, state: state ?? { h5path: '' } };
  }
  const tree = /\/tree\/(.+)$/.exec(pathname.split('?')[0]);
  if (!tree || !state) {
    return null;
  }
  try {
    return { path: tree[1].split('/').map(decodeURIComponent).join('/'), state };
  } catch {
    return null;
  }
}
