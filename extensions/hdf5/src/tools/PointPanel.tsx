import { useState, type ReactElement } from 'react';
import { Choice, NumberField } from '../vis/choices';
import { LinePlot } from '../vis/line/LinePlot';
import { curveColour } from '../vis/line/palette';
import { dimensionName, stackDimensions, type IMeasured } from './context';
import { useTrace } from './measure';
import { Panel } from './Panel';
import { plottedFrom } from './plotted';
import { unfixed } from './RegionPanel';
import { turnPoint, type IPoint } from './shapes';

interface IProps {
  measured: IMeasured;
  point: IPoint;
  onPoint: (point: IPoint | undefined) => void;
}

/** One pixel along the whole stack. */
export function PointPanel({ measured, point, onPoint }: IProps): ReactElement {
  const { client, h5path, slice, turned, revision, image, theme, axes, shape, units } = measured;
  const dimensions = stackDimensions(measured);
  const [chosen, setChosen] = useState<number>();
  const axis = chosen !== undefined && dimensions.includes(chosen) ? chosen : dimensions[dimensions.length - 1];
  const parameters =
    axis === undefined
      ? null
      : { h5path, axis, point: turnPoint(point.y, point.x, turned).join(','), slice: unfixed(slice, axis, shape.length) };
  const trace = useTrace(client, 'trace', parameters, revision);
  const values = trace.arrays.value;
  return (
    <Panel
      title="Pixel"
      onClose={() => onPoint(undefined)}
      problem={trace.problem}
      busy={trace.pending}
      controls={
        <>
          <NumberField label="row" value={point.y} min={0} max={image.height - 1} onChange={y => onPoint({ ...point, y: Math.round(y) })} />
          <NumberField label="column" value={point.x} min={0} max={image.width - 1} onChange={x => onPoint({ ...point, x: Math.round(x) })} />
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
      {axis === undefined && <p className="ph5-note">There is only this one image; a pixel of a stack is followed along it.</p>}
      {axis !== undefined && values && (
        <figure className="ph5-panel-plot" aria-label={`The pixel along ${dimensionName(axes, axis)}`} data-testid="point-trace" data-complete={trace.header?.complete} data-keep-canvas-colors>
          <LinePlot
            title=""
            xLabel={dimensionName(axes, axis)}
            yLabel={units ?? 'value'}
            xDomain={[0, Math.max(values.length - 1, 1)]}
            curves={[plottedFrom('point', 'value', curveColour(0, theme), values)]}
          />
        </figure>
      )}
    </Panel>
  );
}
