import type { IPlotted } from '../vis/line/LinePlot';

/** A measured curve; `x` absent: by number. Values that are not there yet are left out. */
export function plottedFrom(
  key: string,
  label: string,
  colour: string,
  y: ArrayLike<number>,
  x?: ArrayLike<number>,
  errors?: ArrayLike<number>
): IPlotted {
  const ordinates = Float64Array.from(y);
  const abscissas = x ? Float64Array.from(x) : Float64Array.from(ordinates, (_, i) => i);
  const sigma = errors && Float64Array.from(errors);
  return { key, label, colour, abscissas, ordinates, errors: sigma, read: { x: abscissas, y: ordinates, errors: sigma } };
}

/** Of an empty bin, on a logarithm: below one. */
const EMPTY = 0.5;

/** A histogram as steps, for a logarithmic axis. */
export function plottedHistogram(counts: ArrayLike<number>, edges: ArrayLike<number>, colour: string): IPlotted {
  const ordinates = new Float64Array(counts.length * 2);
  const abscissas = new Float64Array(counts.length * 2);
  const middle = new Float64Array(counts.length);
  for (let i = 0; i < counts.length; i++) {
    abscissas[2 * i] = edges[i];
    abscissas[2 * i + 1] = edges[i + 1];
    ordinates[2 * i] = Math.max(counts[i], EMPTY);
    ordinates[2 * i + 1] = ordinates[2 * i];
    middle[i] = (edges[i] + edges[i + 1]) / 2;
  }
  return { key: 'histogram', label: 'pixels', colour, abscissas, ordinates, read: { x: middle, y: counts } };
}
