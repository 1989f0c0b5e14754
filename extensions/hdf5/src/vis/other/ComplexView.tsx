import { Selector, Toolbar } from '@h5web/lib';
import { useMemo, useState, type ReactElement } from 'react';
import type { IClient } from '../../api/client';
import type { IValues } from '../../api/types';
import { indexScale } from '../axes';
import { ColourBar } from '../ColourBar';
import { Problem } from '../errors';
import { useFetched } from '../fetching';
import { BAD, colorMapOf, ImageCanvas, ImageView } from '../image/ImageView';
import { Piece, type IColours } from '../image/Piece';
import { bounds } from '../picture';
import { LinePlot } from '../line/LinePlot';
import { LineView } from '../line/LineView';
import { curveColour } from '../line/palette';
import type { IVisProps } from '../props';
import { chooseDimensions, formatSlice, parseSlice, rangeOf, sliceFor, withEntry } from '../slices';
import { strideFor, stridden } from './strided';

const PARTS = ['amplitude', 'phase', 'real', 'imaginary'] as const;
export type Part = (typeof PARTS)[number];
const NAMES: Record<Part, string> = { amplitude: 'Amplitude', phase: 'Phase', real: 'Real part', imaginary: 'Imaginary part' };
/** Values on the screen, and in one answer. */
const MOST = 200_000;
const AT_ONCE = 20_000;

/** Complex numbers by one of their parts. The amplitude is what every other view shows of them. */
export function ComplexView(props: IVisProps): ReactElement {
  const [part, setPart] = useState<Part>('amplitude');
  const shape = props.entity.plot?.shape ?? props.entity.shape ?? [];
  const image = shape.length > 1;
  return (
    <div className="ph5-vis" data-vis="complex" data-part={part}>
      <div className="ph5-controls"><Toolbar>
        <Selector label="Show" options={[...PARTS]} value={part} onChange={setPart} renderOption={option => NAMES[option]} />
      </Toolbar></div>
      {part !== 'amplitude' ? (
        <OnePart {...props} part={part} image={image} />
      ) : image ? (
        <ImageView {...props} />
      ) : (
        <LineView {...props} />
      )}
    </div>
  );
}

function OnePart(props: IVisProps & { part: Part; image: boolean }): ReactElement {
  const { client, entity, state, revision, theme, part, image } = props;
  const h5path = entity.plot?.signal ?? entity.h5path;
  const shape = entity.plot?.shape ?? entity.shape ?? [];
  const dimensions = chooseDimensions(shape, image ? 2 : 1, state.slice, state.axes);
  const entries = sliceFor(shape, dimensions, state.slice);
  const [rows, columns] = image ? dimensions.map(d => rangeOf(entries[d], shape[d]).count) : [rangeOf(entries[dimensions[0]], shape[dimensions[0]]).count, 1];
  const stride = image ? strideFor(rows, columns, MOST) : Math.max(1, Math.ceil(rows / MOST));
  const slice = stridden(entries, shape, dimensions, stride);
  const key = JSON.stringify([client.path, h5path, slice, revision]);
  const { value, problem, pending } = useFetched(key, signal => fetchComplex(client, h5path, slice, shape, dimensions, signal));
  const numbers = useMemo(() => value && partOf(value, part), [value, part]);
  const title = `${NAMES[part]} of ${entity.plot?.title ?? entity.h5path}${stride > 1 ? `, each ${stride}th value` : ''}`;
  return (
    <div className="ph5-vis" aria-busy={pending}>
      {problem && <Problem problem={problem} />}
      <div className="ph5-stage">
        {value && numbers && image && (
          <PartImage title={title} numbers={numbers} shape={value.shape} part={part} props={props} />
        )}
        {value && numbers && !image && (
          <figure className="ph5-figure" aria-label={title} data-keep-canvas-colors>
            <LinePlot title={title} xLabel="index" curves={[curve(title, numbers, stride, theme)]} />
          </figure>
        )}
      </div>
    </div>
  );
}

interface IPartImageProps {
  title: string;
  numbers: Float64Array;
  shape: number[];
  part: Part;
  props: IVisProps;
}

function PartImage({ title, numbers, shape: [height, width], part, props }: IPartImageProps): ReactElement {
  const { state, change, theme } = props;
  const picture = useMemo(() => ({ data: Float32Array.from(numbers), height, width }), [numbers, height, width]);
  const colours: IColours = {
    domain: domainFor(numbers, part),
    scale: 'linear',
    // a circle of colours for angles: the two ends are the same
    colorMap: part === 'phase' ? 'Sinebow' : colorMapOf(state.colorMap),
    invert: state.invertColorMap ?? false,
    bad: BAD[theme]
  };
  const [yScale, xScale] = useMemo(() => [height, width].map(count => indexScale({ start: 0, step: 1, count }, '')), [height, width]);
  return (
    <figure className="ph5-figure" aria-label={title} data-keep-canvas-colors>
      <ImageCanvas
        title={title}
        xScale={xScale}
        yScale={yScale}
        keepAspect={state.keepAspect ?? true}
        grid={false}
        zoom={state.zoom}
        onZoom={zoom => change({ zoom })}
        pan
      >
        <Piece picture={picture} y={0} x={0} factor={1} yScale={yScale} xScale={xScale} colours={colours} z={0} />
      </ImageCanvas>
      <ColourBar {...colours} />
    </figure>
  );
}

interface IComplexArray {
  shape: number[];
  /** Real, imaginary, real, … */
  pairs: Float64Array;
}

/** Exact values in parts of as many as one answer holds. */
async function fetchComplex(
  client: IClient,
  h5path: string,
  slice: string,
  shape: readonly number[],
  dimensions: readonly number[],
  signal: AbortSignal
): Promise<IComplexArray> {
  const entries = parseSlice(slice, shape.length);
  const [outer] = [...dimensions].sort((a, b) => a - b);
  const counts = dimensions.map(d => rangeOf(entries[d], shape[d]).count);
  const { start, step, count } = rangeOf(entries[outer], shape[outer]);
  const inner = counts.reduce((a, b) => a * b, 1) / Math.max(count, 1);
  const lines = Math.max(1, Math.floor(AT_ONCE / Math.max(inner, 1)));
  const pairs = new Float64Array(2 * count * inner);
  for (let begin = 0; begin < count; begin += lines) {
    const end = Math.min(begin + lines, count);
    const part = `${start + begin * step}:${start + (end - 1) * step + 1}:${step}`;
    const answer = await client.json<IValues>('values', { h5path, slice: formatSlice(withEntry(entries, outer, part)) }, signal);
    pairs.set((answer.values as unknown[]).flat(Infinity).map(Number), 2 * begin * inner);
  }
  const turned = dimensions.length > 1 && dimensions[0] > dimensions[1];
  return { shape: turned ? [counts[1], counts[0]] : counts, pairs };
}

function curve(label: string, ordinates: Float64Array, stride: number, theme: 'light' | 'dark') {
  const abscissas = Float64Array.from(ordinates, (_, i) => i * stride);
  return { key: label, label, colour: curveColour(0, theme), abscissas, ordinates, read: { x: abscissas, y: ordinates } };
}

function domainFor(numbers: Float64Array, part: Part): [number, number] {
  if (part === 'phase') {
    return [-Math.PI, Math.PI];
  }
  const { min, max } = bounds(numbers);
  return min === null || max === null ? [0, 1] : min < max ? [min, max] : [min, min + 1];
}

/** A part of complex numbers that come as real, imaginary, real, … */
export function partOf({ pairs }: Pick<IComplexArray, 'pairs'>, part: Part): Float64Array {
  return Float64Array.from({ length: pairs.length / 2 }, (_, i) => {
    const [re, im] = [pairs[2 * i], pairs[2 * i + 1]];
    switch (part) {
      case 'amplitude':
        return Math.hypot(re, im);
      case 'phase':
        return Math.atan2(im, re);
      case 'real':
        return re;
      case 'imaginary':
        return im;
    }
  });
}
