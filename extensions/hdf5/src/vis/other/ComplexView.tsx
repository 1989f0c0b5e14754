import { HeatmapVis, RadioGroup, Toolbar } from '@h5web/lib';
import ndarray from 'ndarray';
import { useMemo, useState, type ReactElement } from 'react';
import type { IArray } from '../../api/client';
import { Problem } from '../errors';
import { useFetched } from '../fetching';
import { useCanvasSize, colorMapOf, ImageView } from '../image/ImageView';
import { bounds } from '../picture';
import { LinePlot } from '../line/LinePlot';
import { LineView } from '../line/LineView';
import { curveColour } from '../line/palette';
import type { IVisProps } from '../props';
import { chooseDimensions, rangeOf, sliceFor } from '../slices';
import { fetchRaw, strideFor, stridden } from './strided';

const PARTS = ['amplitude', 'phase', 'real', 'imaginary'] as const;
export type Part = (typeof PARTS)[number];
const NAMES: Record<Part, string> = { amplitude: 'Amplitude', phase: 'Phase', real: 'Real part', imaginary: 'Imaginary part' };
const LONGEST_LINE = 100_000;

/** Complex numbers by one of their parts. The amplitude is what every other view shows of them. */
export function ComplexView(props: IVisProps): ReactElement {
  const [part, setPart] = useState<Part>('amplitude');
  const shape = props.entity.plot?.shape ?? props.entity.shape ?? [];
  const image = shape.length > 1;
  return (
    <div className="ph5-vis" data-vis="complex" data-part={part}>
      <Toolbar>
        <RadioGroup name={`ph5-part-${props.entity.h5path}`} label="Show" options={[...PARTS]} optionsLabels={NAMES} value={part} onChange={setPart} />
      </Toolbar>
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
  const [element, canvas] = useCanvasSize();
  const dimensions = chooseDimensions(shape, image ? 2 : 1, state.slice, state.axes);
  const entries = sliceFor(shape, dimensions, state.slice);
  const lengths = dimensions.map(d => rangeOf(entries[d], shape[d]).count);
  const stride = image ? (canvas ? strideFor(lengths[0], lengths[1], canvas) : 1) : Math.ceil(lengths[0] / LONGEST_LINE);
  const slice = stridden(entries, shape, dimensions, Math.max(stride, 1));
  const key = canvas ? JSON.stringify([client.path, h5path, slice, revision]) : null;
  const { value, problem } = useFetched(key, signal => fetchRaw(client, h5path, slice, signal));
  const numbers = useMemo(() => value && partOf(value, part), [value, part]);
  const title = `${NAMES[part]} of ${entity.plot?.title ?? entity.h5path}`;
  return (
    <>
      {problem && <Problem problem={problem} />}
      <div className="ph5-stage" ref={element}>
        {value && numbers && image && (
          <HeatmapVis
            className="ph5-figure"
            dataArray={ndarray(Float32Array.from(numbers), value.shape)}
            domain={domainFor(numbers, part)}
            colorMap={part === 'phase' ? 'Sinebow' : colorMapOf(state.colorMap)}
            title={title}
            aspect={(state.keepAspect ?? true) ? 'equal' : 'auto'}
            flipYAxis
          />
        )}
        {value && numbers && !image && (
          <figure className="ph5-figure" aria-label={title} data-keep-canvas-colors>
            <LinePlot title={title} xLabel="index" curves={[curve(title, numbers, Math.max(stride, 1), theme)]} />
          </figure>
        )}
      </div>
    </>
  );
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
export function partOf({ values, dtype }: Pick<IArray, 'values' | 'dtype'>, part: Part): Float64Array {
  const pairs = values as Float32Array | Float64Array;
  if (!/^[<|=]c/.test(dtype)) {
    // what is real has no phase but its sign's
    return Float64Array.from(pairs, value =>
      part === 'imaginary' ? 0 : part === 'phase' ? (value < 0 ? Math.PI : 0) : part === 'real' ? value : Math.abs(value)
    );
  }
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

