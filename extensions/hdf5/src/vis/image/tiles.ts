import type { IClient } from '../../api/client';
import type { IViewHeader, Reducer } from '../../api/types';
import { toPicture, transpose, type IPicture } from '../picture';
import { SightStore, type IPieceToLoad } from '../sightStore';

/** Pixels of a tile along each side. */
export const TILE = 256;
const BUDGET = 96 * 2 ** 20;

/** A square of the image at a level: one of its pixels is 2**level of the image's. */
export interface ITileKey {
  slice: string;
  level: number;
  row: number;
  column: number;
}

export interface ITile extends ITileKey {
  picture: IPicture;
}

export type LoadTile = (key: ITileKey, signal: AbortSignal) => Promise<IPicture>;

export function tileName({ slice, level, row, column }: ITileKey): string {
  return `${slice}/${level}/${row}/${column}`;
}

/** Which level shows every pixel of the image at least as large as one of the screen, so that the screen drops none. */
export function levelFor(imagePixelsPerScreenPixel: number): number {
  return Math.max(0, Math.ceil(Math.log2(imagePixelsPerScreenPixel) - 1e-6));
}

/** The tiles that cover a part of the image, those in its middle first. */
export function tilesIn(
  slice: string,
  level: number,
  window: [number, number, number, number],
  image: { height: number; width: number }
): ITileKey[] {
  const side = TILE * 2 ** level;
  const clamp = (value: number, most: number) => Math.min(Math.max(value, 0), most);
  const [y0, y1] = [clamp(window[0], image.height), clamp(window[1], image.height)];
  const [x0, x1] = [clamp(window[2], image.width), clamp(window[3], image.width)];
  if (y0 >= y1 || x0 >= x1) {
    return [];
  }
  const keys: ITileKey[] = [];
  for (let row = Math.floor(y0 / side); row * side < y1; row++) {
    for (let column = Math.floor(x0 / side); column * side < x1; column++) {
      keys.push({ slice, level, row, column });
    }
  }
  const distance = ({ row, column }: ITileKey) =>
    Math.hypot((row + 0.5) * side - (y0 + y1) / 2, (column + 0.5) * side - (x0 + x1) / 2);
  return keys.sort((a, b) => distance(a) - distance(b));
}

/**
 * Keeps tiles by what is in sight.
 *
 * h5web's TilesApi is not used for this: it can't tell what went out of sight, takes the page down where a tile fails, and draws
 * pixels without a value as transparent, through which a coarser layer would shine.
 */
export type TileStore = SightStore<ITile>;

export function makeTileStore(): TileStore {
  return new SightStore<ITile>(BUDGET, tile => tile.picture.data.byteLength);
}

/** A tile as something to want. */
export function toLoad(key: ITileKey, load: LoadTile): IPieceToLoad<ITile> {
  return { name: tileName(key), load: async signal => ({ ...key, picture: await load(key, signal) }) };
}

export interface ITileSource {
  client: IClient;
  h5path: string;
  reduce: Reducer | undefined;
  mask: 'auto' | 'none' | undefined;
  /** Rows on the screen are the data set's columns. */
  turned: boolean;
}

/** Tiles of the server. */
export function serverTiles({ client, h5path, reduce, mask, turned }: ITileSource): LoadTile {
  return async ({ slice, level, row, column }, signal) => {
    const [y, x] = turned ? [column, row] : [row, column];
    const answer = await client.arrays<IViewHeader>('tile', { h5path, slice, level, y, x, size: TILE, reduce, mask }, signal);
    const picture = toPicture(answer.arrays.data, answer.header.fill);
    return turned ? transpose(picture) : picture;
  };
}
