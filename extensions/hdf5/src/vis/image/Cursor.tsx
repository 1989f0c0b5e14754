import { TooltipMesh } from '@h5web/lib';
import { useState, type ReactElement } from 'react';
import type { IClient } from '../../api/client';
import type { IGeometry, IViewHeader } from '../../api/types';
import { coordinateAt, pixelAt, type IScale } from '../axes';
import { formatTick, formatValue } from '../format';
import type { IPicture } from '../picture';
import { scattering, useExactValue, type IPixel, type IPlane } from './cursor';

interface IProps {
  client: IClient;
  plane: IPlane;
  frame: { picture: IPicture; factor: number; header: IViewHeader; turned: boolean };
  xScale: IScale;
  yScale: IScale;
  geometry: IGeometry | undefined;
  units: string | undefined;
  dtype: string | undefined;
  revision: number;
  /** What is drawn is no value of the file: a difference. */
  drawnOnly: boolean;
}

/** What is under the cursor: the pixel, where it lies on the axes, its exact value, and q. */
export function Cursor(props: IProps): ReactElement {
  const { plane, xScale, yScale } = props;
  const [pixel, setPixel] = useState<IPixel>();
  const exact = useExactValue(props.client, plane, props.drawnOnly ? undefined : pixel, props.revision);
  return (
    <TooltipMesh
      guides="both"
      renderTooltip={(x, y) => {
        const position = { row: pixelAt(yScale, y), column: pixelAt(xScale, x) };
        const found = { row: Math.floor(position.row), column: Math.floor(position.column) };
        if (found.row < 0 || found.column < 0 || found.row >= plane.rows.count || found.column >= plane.columns.count) {
          return undefined;
        }
        if (found.row !== pixel?.row || found.column !== pixel.column) {
          // h5web draws the tooltip within its own component: the pixel is set after that
          queueMicrotask(() => setPixel(found));
        }
        const same = pixel && found.row === pixel.row && found.column === pixel.column;
        return <Reading {...props} pixel={found} exact={same ? exact : undefined} />;
      }}
    />
  );
}

function Reading(props: IProps & { pixel: IPixel; exact: unknown }): ReactElement {
  const { pixel, exact, xScale, yScale, geometry, units, dtype, frame, plane } = props;
  const row = plane.rows.start + pixel.row * plane.rows.step;
  const column = plane.columns.start + pixel.column * plane.columns.step;
  const near = overviewValue(frame, pixel);
  const { q, twoTheta, d } = geometry ? scattering(geometry, row + 0.5, column + 0.5) : {};
  const where = (scale: IScale, index: number) =>
    scale.index ? undefined : `${scale.label || 'axis'} ${formatTick(coordinateAt(scale, index + 0.5))}`;
  return (
    <div className="ph5-reading" data-testid="cursor">
      <div>
        row <b>{row}</b>, column <b>{column}</b>
      </div>
      {[where(yScale, pixel.row), where(xScale, pixel.column)].map(text => text && <div key={text}>{text}</div>)}
      <div className="ph5-reading-value" data-exact={exact !== undefined}>
        {exact !== undefined ? formatValue(exact, dtype) : Number.isNaN(near) ? 'no value' : `≈ ${formatValue(near, dtype)}`}
        {units ? ` ${units}` : ''}
        {exact !== undefined && Number.isNaN(near) ? <em> (masked)</em> : null}
      </div>
      {twoTheta !== undefined && (
        <div>
          {q !== undefined ? `q ${q.toFixed(4)} Å⁻¹, ` : ''}2θ {twoTheta.toFixed(3)}°{d !== undefined ? `, d ${d.toFixed(3)} Å` : ''}
        </div>
      )}
    </div>
  );
}

/** What is drawn at a pixel: the largest (or mean …) value around it. */
function overviewValue({ picture, factor, header, turned }: IProps['frame'], pixel: IPixel): number {
  const { window } = header;
  const row = Math.floor((pixel.row - window[turned ? 2 : 0]) / factor);
  const column = Math.floor((pixel.column - window[turned ? 0 : 2]) / factor);
  return picture.data[row * picture.width + column] ?? NaN;
}
