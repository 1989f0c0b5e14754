import type { IPicture } from '../picture';

/**
 * For each pixel on the screen along one direction, which source pixels it covers: the half-open range from `first` to `last`.
 * `edges` are where the source's pixels begin and end on the screen, from 0 to `target`, rising.
 */
function covered(edges: ArrayLike<number>, target: number): { first: Int32Array; last: Int32Array } {
  const first = new Int32Array(target);
  const last = new Int32Array(target);
  const length = edges.length - 1;
  let source = 0;
  for (let i = 0; i < target; i++) {
    while (source < length - 1 && edges[source + 1] <= i) {
      source++;
    }
    first[i] = source;
    let end = source + 1;
    while (end < length && edges[end] < i + 1) {
      end++;
    }
    last[i] = end;
  }
  return { first, last };
}

/**
 * The picture on a grid of equal pixels, each with the largest value that it covers, so that a spot of one pixel is never lost
 * between two lines of the screen. NaN only where everything covered is NaN.
 */
export function resample(
  picture: IPicture,
  yEdges: ArrayLike<number>,
  xEdges: ArrayLike<number>,
  height: number,
  width: number
): IPicture {
  const rows = covered(yEdges, height);
  const columns = covered(xEdges, width);
  const data = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let value = NaN;
      for (let row = rows.first[y]; row < rows.last[y]; row++) {
        const begin = row * picture.width;
        for (let i = begin + columns.first[x]; i < begin + columns.last[x]; i++) {
          const candidate = picture.data[i];
          if (!(value >= candidate) && candidate === candidate) {
            value = candidate;
          }
        }
      }
      data[y * width + x] = value;
    }
  }
  return { data, height, width };
}

/**
 * The picture with blocks of equal size as one pixel, each with its block's largest value. Blocks of equal size, since the largest
 * of two beside the largest of one would draw a grid over noise. The last ones may reach beyond the picture.
 */
export function pool(picture: IPicture, rows: number, columns: number): IPicture {
  const height = Math.ceil(picture.height / rows);
  const width = Math.ceil(picture.width / columns);
  const yEdges = Float64Array.from({ length: picture.height + 1 }, (_, i) => i / rows);
  const xEdges = Float64Array.from({ length: picture.width + 1 }, (_, i) => i / columns);
  return resample(picture, yEdges, xEdges, height, width);
}

/** `edges` as positions from 0 to `target`, rising; `flipped` if they fell. */
export function gridEdges(edges: ArrayLike<number>, log: boolean, target: number): { positions: Float64Array; flipped: boolean } {
  const to = log ? Math.log10 : (v: number) => v;
  const last = edges.length - 1;
  const begin = to(edges[0]);
  const span = to(edges[last]) - begin;
  return { positions: Float64Array.from(edges as number[], edge => ((to(edge) - begin) / span) * target), flipped: span < 0 };
}
