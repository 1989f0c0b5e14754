import { useCameraState, useVisCanvasContext } from '@h5web/lib';
import { useEffect, useSyncExternalStore, type ReactElement } from 'react';
import { pixelAt, type IScale } from '../axes';
import { useSame } from '../same';
import { Piece, type IColours } from './Piece';
import { levelFor, tileName, tilesIn, toLoad, TILE, type ITile, type LoadTile, type TileStore } from './tiles';

interface IProps {
  store: TileStore;
  load: LoadTile;
  slice: string;
  /** Pixels of the image that one of the overview's is: finer tiles only. */
  overviewFactor: number;
  xScale: IScale;
  yScale: IScale;
  colours: IColours;
}

/** What the camera sees, in pixels of the image: [y0, y1, x0, x1], and the level of the tiles for it. */
interface ISeen {
  level: number;
  window: [number, number, number, number];
}

/** Sharper pixels of what is in sight, over the overview. Tiles of other levels stay below until those of this one are there. */
export function TileLayers(props: IProps): ReactElement {
  const { store, load, slice, overviewFactor, xScale, yScale, colours } = props;
  const { getVisibleDomains, canvasSize } = useVisCanvasContext();
  const height = yScale.edges.length - 1;
  const width = xScale.edges.length - 1;
  const seen = useCameraState<ISeen>(
    camera => {
      const { xVisibleDomain, yVisibleDomain } = getVisibleDomains(camera);
      const xs = xVisibleDomain.map(value => pixelAt(xScale, value)).sort((a, b) => a - b);
      const ys = yVisibleDomain.map(value => pixelAt(yScale, value)).sort((a, b) => a - b);
      const ratio = Math.min(window.devicePixelRatio || 1, 3);
      const density = Math.max((xs[1] - xs[0]) / (canvasSize.width * ratio), (ys[1] - ys[0]) / (canvasSize.height * ratio));
      return { level: levelFor(density), window: [ys[0], ys[1], xs[0], xs[1]] };
    },
    [getVisibleDomains, canvasSize.width, canvasSize.height, xScale, yScale],
    (a, b) => a.level === b.level && sameTiles(a, b)
  );
  const keys = useSame(2 ** seen.level < overviewFactor ? tilesIn(slice, seen.level, seen.window, { height, width }) : []);
  useSyncExternalStore(store.subscribe, store.snapshot);
  useEffect(() => store.want(keys.map(key => toLoad(key, load))), [store, load, keys]);
  useEffect(() => () => store.want([]), [store]);
  return (
    <>
      {drawn(store, slice, seen, overviewFactor, { height, width }).map(tile => (
        <Piece
          key={tileName(tile)}
          picture={tile.picture}
          y={tile.row * TILE * 2 ** tile.level}
          x={tile.column * TILE * 2 ** tile.level}
          factor={2 ** tile.level}
          yScale={yScale}
          xScale={xScale}
          colours={colours}
          z={1 + (20 - tile.level) / 20}
        />
      ))}
    </>
  );
}

function sameTiles(a: ISeen, b: ISeen): boolean {
  const side = TILE * 2 ** a.level;
  return a.window.every((value, i) => Math.floor(value / side) === Math.floor(b.window[i] / side));
}

/** The tiles to draw: those of this level that are there, and below the missing ones those of coarser levels that are. */
function drawn(
  store: TileStore,
  slice: string,
  { level, window }: ISeen,
  overviewFactor: number,
  image: { height: number; width: number }
): ITile[] {
  if (2 ** level >= overviewFactor) {
    return [];
  }
  const tiles: ITile[] = [];
  for (let current = level; 2 ** current < overviewFactor; current++) {
    const keys = tilesIn(slice, current, window, image);
    const there = keys.flatMap(key => store.get(tileName(key)) ?? []);
    tiles.unshift(...there);
    if (there.length === keys.length) {
      break;
    }
  }
  return tiles;
}
