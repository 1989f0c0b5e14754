import { HeatmapMesh, ScaleType, useVisCanvasContext, type ColorMap } from '@h5web/lib';
import ndarray from 'ndarray';
import { memo, useMemo, type ReactElement } from 'react';
import { Vector3 } from 'three';
import type { ScaleName } from '../../state/viewState';
import { coordinateAt, type IScale } from '../axes';
import type { Domain } from '../domain';
import type { IPicture } from '../picture';
import { gridEdges, pool, resample } from './resample';

export interface IColours {
  domain: Domain;
  scale: ScaleName;
  colorMap: ColorMap;
  invert: boolean;
  /** Where there is no value. */
  bad: string;
}

export const SCALES: Record<ScaleName, ScaleType.Linear | ScaleType.Log | ScaleType.SymLog | ScaleType.Sqrt> = {
  linear: ScaleType.Linear,
  log: ScaleType.Log,
  symlog: ScaleType.SymLog,
  sqrt: ScaleType.Sqrt
};

/** No texture is larger than this: every WebGL 2 has at least 2048, and a larger one than the machine's would be drawn wrong without a word. */
export const MAX_TEXTURE = 2048;

const TINY = 1e-37;

/** A logarithm has no colour for zero: it gets the lowest one. Only what has no value is drawn as such. */
export function forScale(picture: IPicture, scale: ScaleName): IPicture {
  const floor = scale === 'log' ? TINY : scale === 'sqrt' ? 0 : null;
  if (floor === null || !picture.data.some(value => value < floor)) {
    return picture;
  }
  return { ...picture, data: picture.data.map(value => (value < floor ? floor : value)) };
}

/** The part of a scale's edges that pixels from `begin` on cover, `factor` of them as one. */
function edgesFor(scale: IScale, begin: number, count: number, factor: number): Float64Array {
  const length = scale.edges.length - 1;
  return Float64Array.from({ length: count + 1 }, (_, i) => {
    const pixel = begin + i * factor;
    // the last pixel may reach beyond the data: it is drawn whole, and its rest is no value
    return pixel <= length ? coordinateAt(scale, pixel) : coordinateAt(scale, length) + (pixel - length) * lastStep(scale);
  });
}

function lastStep({ edges }: IScale): number {
  return edges[edges.length - 1] - edges[edges.length - 2];
}

interface IPieceProps {
  picture: IPicture;
  /** Pixels of the whole image: where this piece begins, and how many of them one of its pixels is. */
  y: number;
  x: number;
  factor: number;
  yScale: IScale;
  xScale: IScale;
  colours: IColours;
  z: number;
  /** At most so many pixels; what is larger keeps its largest values. */
  screen?: { width: number; height: number };
}

/** A picture at its place on the axes. */
export const Piece = memo(function Piece(props: IPieceProps): ReactElement {
  const { picture, y, x, factor, yScale, xScale, colours, z, screen } = props;
  const { dataToWorld } = useVisCanvasContext();
  const placed = useMemo(() => {
    const limit = { width: Math.min(screen?.width ?? MAX_TEXTURE, MAX_TEXTURE), height: Math.min(screen?.height ?? MAX_TEXTURE, MAX_TEXTURE) };
    const regular = yScale.regular && xScale.regular;
    const rows = regular ? Math.ceil(picture.height / limit.height) : 1;
    const columns = regular ? Math.ceil(picture.width / limit.width) : 1;
    const pooled = rows * columns > 1 ? pool(picture, rows, columns) : picture;
    const yEdges = edgesFor(yScale, y, pooled.height, factor * rows);
    const xEdges = edgesFor(xScale, x, pooled.width, factor * columns);
    const shown = regular ? pooled : onGrid(picture, yEdges, xEdges, yScale.log, xScale.log, limit);
    const from = new Vector3(xEdges[0], yEdges[0]);
    const to = new Vector3(xEdges[xEdges.length - 1], yEdges[yEdges.length - 1]);
    return { shown, from, to };
  }, [picture, y, x, factor, yScale, xScale, screen?.width, screen?.height]);
  const values = useMemo(() => {
    const { data, height, width } = forScale(placed.shown, colours.scale);
    return ndarray(data, [height, width]);
  }, [placed, colours.scale]);
  const from = dataToWorld(placed.from);
  const to = dataToWorld(placed.to);
  return (
    <HeatmapMesh
      values={values}
      domain={colours.domain}
      scaleType={SCALES[colours.scale]}
      colorMap={colours.colorMap}
      invertColorMap={colours.invert}
      badColor={colours.bad}
      size={{ width: 1, height: 1 }}
      position={[(from.x + to.x) / 2, (from.y + to.y) / 2, z]}
      scale={[to.x - from.x, to.y - from.y, 1]}
    />
  );
});

function onGrid(
  picture: IPicture,
  yEdges: Float64Array,
  xEdges: Float64Array,
  yLog: boolean,
  xLog: boolean,
  limit: { width: number; height: number }
): IPicture {
  const rows = gridEdges(yEdges, yLog, limit.height);
  const columns = gridEdges(xEdges, xLog, limit.width);
  return resample(picture, rows.positions, columns.positions, limit.height, limit.width);
}
