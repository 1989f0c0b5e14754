import { PageConfig } from '@jupyterlab/coreutils';
import type { IClient } from '../api/client';
import { sharedServer } from '../api/server';
import { contentsPath, isSameFile } from './place';
import type { IPlace } from './place';

/** The widget's file, and others that are shown beside it. */
export interface IClients {
  client: IClient;
  clientFor: (path: string) => IClient;
}

interface IKernelClients {
  own: () => IClient;
  other: (path: string) => IClient;
}

/** The server if it has the same file: it answers while the kernel works, and has caches and codecs running. Else the kernel. */
export async function chooseClients(place: IPlace, kernel: IKernelClients): Promise<IClients> {
  const path = contentsPath(place, PageConfig.getOption('serverRoot'));
  if (path !== null) {
    const client = sharedServer().client(path);
    if (await isSameFile(client, place)) {
      return { client, clientFor: other => sharedServer().client(other) };
    }
  }
  return { client: kernel.own(), clientFor: kernel.other };
}
