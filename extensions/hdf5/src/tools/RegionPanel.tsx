import { useState, type ReactElement } from 'react';
import type { IStats } from '../api/types';
import type { Window } from '../state/viewState';
import { Choice, NumberField } from '../vis/choices';
import { LinePlot } from '../vis/line/LinePlot';
import { curveColour } from '../vis/line/palette';
import { parseSlice } from '../vis/slices';
import { dimensionName, stackDimensions, type IMeasured } from './context';
import { useSettledJson, useTrace } from './measure';
import { Numbers } from './Numbers';
import { Panel } from './Panel';
import { plottedFrom } from './plotted';
import { turnWindow, wholeRegion } from './shapes';

const QUANTITIES = ['sum', 'mean', 'max', 'min'] as const;
type Quantity = (typeof QUANTITIES)[number];

/** A region: its statistics here, and how it goes along the stack. */
export function RegionPanel({ measured, roi }: { measured: IMeasured; roi: Window }): ReactElement {
  const { client, h5path, slice, turned, state, change, revision, image, theme, axes, shape } = measured;
  const dimensions = stackDimensions(measured);
  const [chosen, setChosen] = useState<number>();
  const [quantity, setQuantity] = useState<Quantity>('sum');
  const axis = chosen !== undefined && dimensions.includes(chosen) ? chosen : dimensions[dimensions.length - 1];
  const window = turnWindow(roi, turned).join(',');
  const stats = useSettledJson<{ stats: IStats } & IStats>(client, 'stats', { h5path, slice, window, mask: state.mask }, revision);
  // the trace is the same whichever frame of it is shown
  const parameters = axis === undefined ? null : { h5path, slice: unfixed(slice, axis, shape.length), window, axis, mask: state.mask };
  const trace = useTrace(client, 'roi', parameters, revision);
  const values = trace.arrays[quantity];
  const edge = (name: string, i: number, max: number) => (
    <NumberField
      label={name}
      value={roi[i]}
      min={0}
      max={max}
      onChange={value => change({ roi: wholeRegion(roi.map((old, j) => (j === i ? value : old)) as Window, image) })}
    />
  );
  const here = axis === undefined ? undefined : parseSlice(slice, shape.length)[axis];
  return (
    <Panel
      title="Region"
      onClose={() => change({ roi: undefined })}
      problem={stats.problem ?? trace.problem}
      busy={stats.pending || trace.pending}
      controls={
        <>
          {edge('rows', 0, image.height - 1)}
          {edge('to', 1, image.height)}
          {edge('columns', 2, image.width - 1)}
          {edge('to', 3, image.width)}
          <Choice label="Plot" value={quantity} options={QUANTITIES} onChange={setQuantity} />
          {dimensions.length > 1 && (
            <Choice
              label="along"
              value={String(axis)}
              options={dimensions.map(String)}
              names={Object.fromEntries(dimensions.map(d => [String(d), dimensionName(axes, d)]))}
              onChange={d => setChosen(Number(d))}
            />
          )}
        </>
      }
    >
      <div className="ph5-panel-body">
        {stats.value && <Numbers stats={stats.value.stats ?? stats.value} units={measured.units} />}
        {axis !== undefined && values && (
          <figure
            className="ph5-panel-plot"
            aria-label={`${quantity} of the region along ${dimensionName(axes, axis)}`}
            data-testid="roi-trace"
            data-done={trace.header?.done}
            data-complete={trace.header?.complete}
            data-keep-canvas-colors
          >
            <LinePlot
              title=""
              xLabel={`${dimensionName(axes, axis)}${typeof here === 'number' ? `, now at ${here}` : ''}`}
              yLabel={quantity}
              xDomain={[0, Math.max(values.length - 1, 1)]}
              curves={[plottedFrom('roi', quantity, curveColour(0, theme), values)]}
            />
          </figure>
        )}
      </div>
    </Panel>
  );
}

/** The slice with one dimension open, whatever it was fixed to. */
export function unfixed(slice: string, dimension: number, ndim: number): string {
  return parseSlice(slice, ndim)
    .map((entry, d) => (d === dimension ? ':' : entry))
    .join(', ');
}
