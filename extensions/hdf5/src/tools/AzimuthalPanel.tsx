import { ScaleType } from '@h5web/lib';
import { useState, type ReactElement } from 'react';
import type { IAzimuthalHeader, IGeometry } from '../api/types';
import { Choice, NumberField } from '../vis/choices';
import { withUnits } from '../vis/format';
import { LinePlot } from '../vis/line/LinePlot';
import { curveColour } from '../vis/line/palette';
import type { IMeasured } from './context';
import { useSettled } from './measure';
import { Panel } from './Panel';
import { plottedFrom } from './plotted';

const UNITS = ['q', '2theta', 'r'] as const;
const NAMES = { q: 'q', '2theta': '2θ', r: 'radius' };
const BINS = 1000;

/** The geometry's numbers, in the units that people have them in. */
const FIELDS: { key: keyof IGeometry; label: string; per: number }[] = [
  { key: 'beam_x', label: 'beam x (pixels)', per: 1 },
  { key: 'beam_y', label: 'beam y (pixels)', per: 1 },
  { key: 'distance', label: 'distance (mm)', per: 1e-3 },
  { key: 'pixel_x', label: 'pixel x (µm)', per: 1e-6 },
  { key: 'pixel_y', label: 'pixel y (µm)', per: 1e-6 },
  { key: 'wavelength', label: 'wavelength (Å)', per: 1 }
];

/** What is needed and what is guessed where the file says nothing: the image's middle, a common detector. */
function startingGeometry({ geometry, image }: IMeasured): IGeometry {
  return geometry ?? { beam_x: image.width / 2, beam_y: image.height / 2, distance: 0.1, pixel_x: 75e-6, pixel_y: 75e-6, source: 'typed in' };
}

/** Intensity by angle, over all directions. */
export function AzimuthalPanel({ measured, onClose }: { measured: IMeasured; onClose: () => void }): ReactElement {
  const { client, h5path, slice, state, revision, theme, geometry: known } = measured;
  const [edited, setEdited] = useState<IGeometry>();
  const geometry = edited ?? startingGeometry(measured);
  const [unit, setUnit] = useState<(typeof UNITS)[number]>(geometry.wavelength ? 'q' : 'r');
  const [log, setLog] = useState(true);
  const usable = unit === 'r' || unit === '2theta' || geometry.wavelength;
  const { beam_x, beam_y, distance, pixel_x, pixel_y, wavelength } = geometry;
  const own = edited || !known ? { beam_x, beam_y, distance, pixel_x, pixel_y, wavelength } : {};
  const parameters = usable ? { h5path, slice, unit, bins: BINS, mask: state.mask, ...own } : null;
  const { value, problem, pending } = useSettled<IAzimuthalHeader>(client, 'azimuthal', parameters, revision);
  return (
    <Panel
      title="Azimuthal integration"
      onClose={onClose}
      problem={problem}
      busy={pending}
      controls={
        <>
          <Choice label="Against" value={unit} options={UNITS} names={NAMES} onChange={setUnit} />
          <label className="ph5-choice">
            <input type="checkbox" checked={log} onChange={event => setLog(event.target.checked)} />
            <span>log</span>
          </label>
        </>
      }
    >
      <details className="ph5-geometry" open={!known}>
        <summary>
          Geometry: {edited ? 'as typed in' : known ? `from ${known.source}` : 'not in the file; please type it in'}
          {value && <span>, by {value.header.method}</span>}
        </summary>
        <div className="ph5-geometry-fields">
          {FIELDS.map(({ key, label, per }) => (
            <NumberField
              key={key}
              label={label}
              value={geometry[key] === undefined ? NaN : Number((Number(geometry[key]) / per).toPrecision(8))}
              step="any"
              onChange={number => setEdited({ ...geometry, [key]: number * per, source: 'typed in' })}
            />
          ))}
          {edited && (
            <button type="button" className="ph5-button" onClick={() => setEdited(undefined)}>
              {known ? "The file's again" : 'Start again'}
            </button>
          )}
        </div>
      </details>
      {!usable && <p className="ph5-note">q needs the wavelength.</p>}
      {value && (
        <figure className="ph5-panel-plot" aria-label="Intensity by angle" data-testid="azimuthal-plot" data-keep-canvas-colors>
          <LinePlot
            title=""
            xLabel={withUnits(NAMES[value.header.unit] ?? value.header.unit, value.header.units)}
            yLabel="mean intensity"
            yScale={log ? ScaleType.Log : ScaleType.Linear}
            showErrors={false}
            curves={[
              plottedFrom(
                'azimuthal',
                'intensity',
                curveColour(0, theme),
                numbers(value.arrays.intensity?.values),
                numbers(value.arrays.radial?.values),
                value.arrays.sigma && numbers(value.arrays.sigma.values)
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
