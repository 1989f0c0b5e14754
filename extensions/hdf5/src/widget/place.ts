import type { IClient } from '../api/client';
import type { ILiveState } from '../api/types';

/** Where the kernel says that the file is; trait `_place`. */
export interface IPlace {
  /** A file on the web. */
  url?: string;
  /** Its real path as the kernel sees it. */
  real?: string;
  /** The kernel's home directory. */
  home?: string;
  /** The server's root as the kernel knows it, if it was told. */
  root?: string;
  size?: number;
  /** Seconds since 1970. */
  modified?: number;
}

/** A file that was written so lately may have another size by now. */
const STEADY_SECONDS = 60;

/**
 * The contents path that this file has if it lies beneath the server's root, else null.
 *
 * @param serverRoot - as Lab's page says it, with `~` for the home directory.
 */
export function contentsPath(place: IPlace, serverRoot: string): string | null {
  if (place.url) {
    return place.url;
  }
  if (!place.real) {
    return null;
  }
  for (const root of [place.root, expanded(serverRoot, place.home)]) {
    const base = root?.replace(/\/+$/, '');
    if (base !== undefined && place.real.startsWith(`${base}/`)) {
      return place.real.slice(base.length + 1);
    }
  }
  return null;
}

/** Whether the server has the same file there: a kernel may run on another machine with paths that look alike. */
export async function isSameFile(client: IClient, place: IPlace, now = Date.now() / 1000): Promise<boolean> {
  try {
    const state = await client.json<ILiveState>('state', { h5path: '/' });
    const steady = place.modified !== undefined && now - place.modified > STEADY_SECONDS;
    return !state.error && (!steady || place.url !== undefined || state.size === place.size);
  } catch {
    return false;
  }
}

function expanded(root: string, home?: string): string | undefined {
  if (!root) {
    return undefined;
  }
  if (root === '~' || root.startsWith('~/')) {
    return home && home.replace(/\/+$/, '') + root.slice(1);
  }
  return root;
}
