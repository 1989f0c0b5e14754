import { ImageType, RgbVis, ToggleBtn, Toolbar } from '@h5web/lib';
import ndarray from 'ndarray';
import { useMemo, useState, type ReactElement } from 'react';
import type { IArray } from '../../api/client';
import { Problem } from '../errors';
import { useFetched } from '../fetching';
import { AspectIcon } from '../icons';
import { useCanvasSize } from '../image/ImageView';
import type { IVisProps } from '../props';
import { formatSlice, rangeOf, sliceFor } from '../slices';
import { fetchRaw, strideFor, stridden } from './strided';

/** A colour image: its last dimension is red, green, blue, and perhaps opacity. */
export function RgbView({ client, entity, state, change, revision }: IVisProps): ReactElement {
  const h5path = entity.plot?.signal ?? entity.h5path;
  const shape = entity.plot?.shape ?? entity.shape ?? [];
  const dimensions = [shape.length - 3, shape.length - 2, shape.length - 1];
  const [element, canvas] = useCanvasSize();
  const [bgr, setBgr] = useState(false);
  const entries = sliceFor(shape, dimensions, state.slice);
  const [rows, columns] = dimensions.map(d => rangeOf(entries[d], shape[d]).count);
  const stride = canvas ? strideFor(rows, columns, canvas) : 1;
  const slice = stridden(entries, shape, dimensions.slice(0, 2), stride);
  const key = canvas ? JSON.stringify([client.path, h5path, slice, revision]) : null;
  const { value, problem, pending } = useFetched(key, signal => fetchRaw(client, h5path, slice, signal));
  const image = useMemo(() => value && toColours(value), [value]);
  return (
    <div className="ph5-vis" data-vis="rgb" aria-busy={pending} data-slice={formatSlice(entries)}>
      <Toolbar>
        <ToggleBtn label="BGR" value={bgr} onToggle={() => setBgr(!bgr)} title="The first colour is blue" />
        <ToggleBtn
          label="Keep ratio"
          iconOnly
          Icon={AspectIcon}
          value={state.keepAspect ?? true}
          onToggle={() => change({ keepAspect: state.keepAspect === false ? undefined : false })}
        />
      </Toolbar>
      {problem && <Problem problem={problem} />}
      <div className="ph5-stage" ref={element}>
        {image && (
          <RgbVis
            className="ph5-figure"
            dataArray={image}
            aspect={(state.keepAspect ?? true) ? 'equal' : 'auto'}
            title={`${entity.plot?.title ?? entity.h5path}${stride > 1 ? ` (each ${stride}th pixel)` : ''}`}
            imageType={bgr ? ImageType.BGR : ImageType.RGB}
            flipYAxis
          />
        )}
      </div>
    </div>
  );
}

/** Bytes as they are; wider integers scaled from their type's range, floats from 0 … 1 (or 0 … 255 where they go beyond 1). */
export function toColours(array: IArray): ndarray.NdArray<Uint8Array> {
  const values = array.values;
  if (values instanceof Uint8Array) {
    return ndarray(values, array.shape);
  }
  const kind = array.dtype.slice(1);
  const top = kind === 'u2' ? 65535 : kind === 'u4' ? 2 ** 32 - 1 : undefined;
  const numbers = Float64Array.from(values as ArrayLike<number>, Number);
  const scale = 255 / (top ?? (numbers.some(value => value > 1) ? 255 : 1));
  return ndarray(Uint8Array.from(numbers, value => Math.min(Math.max(value * scale, 0), 255)), array.shape);
}
