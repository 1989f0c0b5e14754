import { useState, type ReactElement } from 'react';
import type { IProfileHeader } from '../api/types';
import { NumberField } from '../vis/choices';
import { LinePlot } from '../vis/line/LinePlot';
import { curveColour } from '../vis/line/palette';
import type { IMeasured } from './context';
import { useSettled } from './measure';
import { Panel } from './Panel';
import { plottedFrom } from './plotted';
import { insideSegment, turnPoint, type Segment } from './shapes';

const WIDEST = 1000;

/** Values along a line, averaged across its width. */
export function ProfilePanel({ measured, profile }: { measured: IMeasured; profile: Segment }): ReactElement {
  const { client, h5path, slice, turned, state, change, revision, image, theme, units } = measured;
  const [width, setWidth] = useState(1);
  const [y0, x0, y1, x1] = profile;
  const parameters = {
    h5path,
    slice,
    start: turnPoint(y0, x0, turned).join(','),
    end: turnPoint(y1, x1, turned).join(','),
    width,
    mask: state.mask
  };
  const { value, problem, pending } = useSettled<IProfileHeader>(client, 'profile', parameters, revision);
  const field = (name: string, i: number, max: number) => (
    <NumberField
      label={name}
      value={profile[i]}
      min={0}
      max={max}
      step="any"
      onChange={number => change({ profile: insideSegment(profile.map((old, j) => (j === i ? number : old)) as Segment, image) })}
    />
  );
  return (
    <Panel
      title="Profile"
      onClose={() => change({ profile: undefined })}
      problem={problem}
      busy={pending}
      controls={
        <>
          {field('from row', 0, image.height)}
          {field('column', 1, image.width)}
          {field('to row', 2, image.height)}
          {field('column', 3, image.width)}
          <NumberField label="width" value={width} min={1} max={WIDEST} onChange={setWidth} />
        </>
      }
    >
      {value && (
        <figure className="ph5-panel-plot" aria-label="Values along the line" data-testid="profile-plot" data-keep-canvas-colors>
          <LinePlot
            title=""
            xLabel="distance (pixels)"
            yLabel={units ?? 'value'}
            curves={[
              plottedFrom(
                'profile',
                'value',
                curveColour(0, theme),
                numbers(value.arrays.value?.values),
                numbers(value.arrays.distance?.values)
              )
            ]}
          />
        </figure>
      )}
    </Panel>
  );
}

function numbers(values: ArrayLike<number> | ArrayLike<bigint> | undefined): Float64Array {
  return Float64Array.from((values ?? []) as ArrayLike<number>, Number);
}
