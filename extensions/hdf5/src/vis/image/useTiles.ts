import { useMemo, useRef } from 'react';
import type { IEntity } from '../../api/types';
import { useFetched } from '../fetching';
import type { IVisProps } from '../props';
import { ExactFrames, isPassedThrough } from './exact';
import { makeTileStore, serverTiles, type LoadTile, type TileStore } from './tiles';

interface IShownImage {
  h5path: string;
  slice: string;
  shape: readonly number[];
  yDimension: number;
  xDimension: number;
}

/** Where an image's tiles come from: the server, or whole frames decoded here once somebody steps through a stack of them. */
export function useTiles({ client, entity, state, revision }: IVisProps, image: IShownImage): { store: TileStore; load: LoadTile } {
  const { h5path, slice, shape, yDimension, xDimension } = image;
  const turned = yDimension > xDimension;
  const first = useRef({ h5path, slice, stepped: false });
  if (first.current.h5path !== h5path) {
    first.current = { h5path, slice, stepped: false };
  }
  first.current.stepped ||= first.current.slice !== slice;
  // an NXdata does not say how its signal is stored
  const asks = first.current.stepped && shape.length > 2 && !entity.storage;
  const signal = useFetched(asks ? JSON.stringify([client.path, h5path]) : null, abort => client.json<IEntity>('entity', { h5path }, abort));
  const storage = entity.storage ?? signal.value?.storage;
  const passed = first.current.stepped && isPassedThrough(storage, shape, yDimension, xDimension);
  const { mask, reduce } = state;
  const plot = entity.plot;
  // a changed file makes all tiles worthless
  const source = useMemo(() => ({ of: { client, h5path, reduce, mask, turned }, revision }), [client, h5path, reduce, mask, turned, revision]);
  const store = useMemo(() => ({ source, tiles: makeTileStore() }), [source]).tiles;
  const load = useMemo(() => {
    const { client, h5path, reduce, mask } = source.of;
    const server = serverTiles(source.of);
    if (!passed) {
      return server;
    }
    const validity = mask === 'none' ? undefined : { mask: plot?.mask, sentinels: plot?.sentinels ?? [] };
    return new ExactFrames(client, h5path, validity, reduce).tiles(server);
  }, [source, passed, plot]);
  return useMemo(() => ({ store, load }), [store, load]);
}
