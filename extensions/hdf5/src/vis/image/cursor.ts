import { useEffect, useMemo, useRef, useState } from 'react';
import type { IClient } from '../../api/client';
import type { IGeometry, IValues } from '../../api/types';
import type { IRange } from '../axes';
import { ByteCache } from '../latest';
import { useSame } from '../same';
import { formatSlice, parseSlice, withEntry } from '../slices';

const BLOCK = 32;
const SETTLED_MS = 40;

export interface IPixel {
  row: number;
  column: number;
}

/** The image of a slice: which dimension of the data set its rows and columns are. */
export interface IPlane {
  h5path: string;
  slice: string;
  ndim: number;
  yDimension: number;
  xDimension: number;
  rows: IRange;
  columns: IRange;
}

/** The slice of the block of pixels around one, and where the pixel is in the answer. */
export function blockOf(plane: IPlane, pixel: IPixel): { slice: string; row: number; column: number } {
  const y0 = Math.floor(pixel.row / BLOCK) * BLOCK;
  const x0 = Math.floor(pixel.column / BLOCK) * BLOCK;
  const entries = parseSlice(plane.slice, plane.ndim);
  const rows = part(plane.rows, y0);
  const columns = part(plane.columns, x0);
  const slice = formatSlice(withEntry(withEntry(entries, plane.yDimension, rows), plane.xDimension, columns));
  return { slice, row: pixel.row - y0, column: pixel.column - x0 };
}

function part({ start, step, count }: IRange, first: number): string {
  const last = Math.min(first + BLOCK, count);
  return `${start + first * step}:${start + (last - 1) * step + 1}${step === 1 ? '' : `:${step}`}`;
}

/** The value of a pixel exactly as stored (64-bit integers and NaN as text); undefined until it is known. */
export function useExactValue(client: IClient, plane: IPlane, pixel: IPixel | undefined, revision: number): unknown {
  // a changed file makes all blocks worthless
  const { blocks } = useMemo(() => ({ client, revision, blocks: new ByteCache<unknown[][]>(4 * 2 ** 20) }), [client, revision]);
  const [, setArrived] = useState(0);
  const failed = useRef(new Set<string>());
  const block = useSame(pixel && blockOf(plane, pixel));
  const { h5path, yDimension, xDimension } = plane;
  const key = block && `${h5path}|${block.slice}`;
  const known = key === undefined ? undefined : blocks.get(key);
  const slice = known ? undefined : block?.slice;
  useEffect(() => {
    if (slice === undefined || key === undefined || failed.current.has(key)) {
      return;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      client.json<IValues>('values', { h5path, slice }, abort.signal).then(
        answer => {
          const rows = answer.values as unknown[][];
          const upright = yDimension < xDimension ? rows : turned(rows);
          blocks.set(key, upright, BLOCK * BLOCK * 8);
          setArrived(n => n + 1);
        },
        () => {
          if (!abort.signal.aborted) {
            failed.current.add(key);
          }
        }
      );
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [client, blocks, key, slice, h5path, yDimension, xDimension]);
  return block && known ? known[block.row]?.[block.column] : undefined;
}

function turned(rows: unknown[][]): unknown[][] {
  return (rows[0] ?? []).map((_, column) => rows.map(row => row[column]));
}

export interface IScattering {
  /** 1/Å; absent where the wavelength is not known. */
  q?: number;
  /** Degrees. */
  twoTheta: number;
  /** Å; absent at the beam's centre or without a wavelength. */
  d?: number;
}

/**
 * Where a pixel looks at, for a detector at a right angle to the beam. `row` and `column` are pixel coordinates whose integers are
 * the pixels' corners, as the geometry's beam centre is.
 */
export function scattering(geometry: IGeometry, row: number, column: number): IScattering {
  const y = (row - geometry.beam_y) * geometry.pixel_y;
  const x = (column - geometry.beam_x) * geometry.pixel_x;
  const theta = Math.atan2(Math.hypot(x, y), geometry.distance) / 2;
  const twoTheta = (theta * 2 * 180) / Math.PI;
  if (!geometry.wavelength) {
    return { twoTheta };
  }
  const q = (4 * Math.PI * Math.sin(theta)) / geometry.wavelength;
  return { twoTheta, q, d: q > 0 ? (2 * Math.PI) / q : undefined };
}
