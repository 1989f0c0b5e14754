import { ImageType, RgbVis, ToggleBtn, Toolbar } from '@h5web/lib';
import ndarray from 'ndarray';
import { useState, type ReactElement } from 'react';
import type { IAnswer, IArray, IClient } from '../../api/client';
import type { IViewHeader } from '../../api/types';
import { Problem } from '../errors';
import { useFetched } from '../fetching';
import { AspectIcon } from '../icons';
import { useCanvasSize } from '../image/ImageView';
import type { ICanvasSize } from '../image/frames';
import type { IVisProps } from '../props';
import { formatSlice, sliceFor, withEntry, type SliceEntry } from '../slices';

interface IColourImage {
  array: ndarray.NdArray<Uint8Array>;
  factor: number;
}

/** A colour image: its last dimension is red, green, blue, and perhaps opacity. */
export function RgbView({ client, entity, state, change, revision }: IVisProps): ReactElement {
  const h5path = entity.plot?.signal ?? entity.h5path;
  const shape = entity.plot?.shape ?? entity.shape ?? [];
  const last = shape.length - 1;
  const [element, canvas] = useCanvasSize();
  const [bgr, setBgr] = useState(false);
  const entries = sliceFor(shape, [last - 2, last - 1, last], state.slice);
  const slice = formatSlice(entries);
  const key = canvas ? JSON.stringify([client.path, h5path, slice, canvas, revision]) : null;
  const { value, problem, pending } = useFetched(key, signal => fetchColours(client, h5path, entries, shape[last], canvas!, signal));
  return (
    <div className="ph5-vis" data-vis="rgb" aria-busy={pending} data-slice={slice}>
      <div className="ph5-controls">
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
      </div>
      {problem && <Problem problem={problem} />}
      <div className="ph5-stage" ref={element}>
        {value && (
          <RgbVis
            className="ph5-figure"
            dataArray={value.array}
            aspect={(state.keepAspect ?? true) ? 'equal' : 'auto'}
            title={`${entity.plot?.title ?? entity.h5path}${value.factor > 1 ? `, ${value.factor} × ${value.factor} pixels as one` : ''}`}
            imageType={bgr ? ImageType.BGR : ImageType.RGB}
            flipYAxis
          />
        )}
      </div>
    </div>
  );
}

/** Each colour as an image of its own, by mean: what a screen would show of all pixels. */
async function fetchColours(
  client: IClient,
  h5path: string,
  entries: SliceEntry[],
  channels: number,
  canvas: ICanvasSize,
  signal: AbortSignal
): Promise<IColourImage> {
  const answers = await Promise.all(
    Array.from({ length: Math.min(channels, 4) }, (_, channel) => {
      const slice = formatSlice(withEntry(entries, entries.length - 1, channel));
      return client.arrays<IViewHeader>('view', { h5path, slice, ...canvas, reduce: 'mean', mask: 'none' }, signal);
    })
  );
  return { array: interleave(answers), factor: answers[0].header.factor };
}

/** The colours of each pixel side by side, as bytes. */
export function interleave(answers: Pick<IAnswer<{ stats?: { max: number | null } }>, 'arrays' | 'header'>[]): ndarray.NdArray<Uint8Array> {
  const [height, width] = answers[0].arrays.data.shape;
  const scale = byteScale(answers.map(answer => answer.arrays.data), Math.max(...answers.map(answer => answer.header.stats?.max ?? 0)));
  const data = new Uint8Array(height * width * answers.length);
  answers.forEach(({ arrays }, channel) => {
    const values = arrays.data.values;
    for (let i = 0; i < values.length; i++) {
      data[i * answers.length + channel] = Math.min(Math.max(Number(values[i]) * scale + 0.5, 0), 255);
    }
  });
  return ndarray(data, [height, width, answers.length]);
}

/** Up to 1: shares; up to 255: bytes; beyond: 16 bits, or whatever the largest value is. */
function byteScale(arrays: IArray[], max: number): number {
  const floats = arrays.some(({ values }) => values.some((value: number | bigint) => !Number.isInteger(Number(value))));
  if (max <= 1 && floats) {
    return 255;
  }
  return max <= 255 ? 1 : 255 / (max <= 65535 ? 65535 : max);
}
