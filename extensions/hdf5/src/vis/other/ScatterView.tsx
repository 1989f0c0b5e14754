import {
  ColorMapSelector,
  DefaultInteractions,
  DomainWidget,
  extendDomain,
  ResetZoomButton,
  ScaleSelector,
  ScaleType,
  ScatterPoints,
  Separator,
  Toolbar,
  Tooltip,
  VisCanvas,
  type ColorMap
} from '@h5web/lib';
import { useMemo, useState, type ReactElement } from 'react';
import type { ScaleName } from '../../state/viewState';
import { ColourBar } from '../ColourBar';
import { drawable } from '../domain';
import { Problem } from '../errors';
import { fetchNumbers, MOST_SAMPLES, useFetched } from '../fetching';
import { formatTick, formatValue, withUnits } from '../format';
import { colorMapOf } from '../image/ImageView';
import { SCALES } from '../image/Piece';
import { extent } from '../line/curves';
import type { IVisProps } from '../props';

/** Points with two coordinates and a colour. */
export function ScatterView({ client, entity, state, change, revision }: IVisProps): ReactElement {
  const plot = entity.plot;
  const [xAxis, yAxis] = plot?.axes ?? [];
  const count = plot?.shape[0] ?? 0;
  const stride = Math.max(1, Math.ceil(count / MOST_SAMPLES));
  const slice = stride > 1 ? `::${stride}` : undefined;
  const paths = [xAxis?.h5path, yAxis?.h5path, plot?.signal];
  const complete = paths.every(path => path !== undefined);
  const key = complete ? JSON.stringify([client.path, paths, slice, revision]) : null;
  const { value, problem } = useFetched(key, signal =>
    Promise.all(paths.map(path => fetchNumbers(client, path!, slice, signal)))
  );
  const scale: ScaleName = state.scale ?? plot?.scale ?? 'linear';
  const full = useMemo<[number, number]>(() => extent(value ? [value[2]] : []) ?? [0, 1], [value]);
  const positive = useMemo(() => extent(value ? [value[2]] : [], true)?.[0] ?? null, [value]);
  const auto = drawable(full, scale, positive);
  const domain = drawable(state.range ?? full, scale, positive);
  const colorMap = colorMapOf(state.colorMap);
  if (!complete) {
    return <p className="ph5-note">A scatter plot needs two axes, and this data has none; it can be drawn as a line.</p>;
  }
  return (
    <div className="ph5-vis" data-vis="scatter">
      <div className="ph5-controls"><Toolbar>
        <DomainWidget
          dataDomain={auto}
          customDomain={state.range ?? [null, null]}
          scaleType={SCALES[scale]}
          onCustomDomainChange={([low, high]) =>
            change({ range: low === null && high === null ? undefined : [low ?? auto[0], high ?? auto[1]] })
          }
        />
        <Separator />
        <ColorMapSelector
          value={colorMap}
          onValueChange={name => change({ colorMap: name })}
          invert={state.invertColorMap ?? false}
          onInversionChange={() => change({ invertColorMap: state.invertColorMap ? undefined : true })}
        />
        <ScaleSelector
          value={SCALES[scale]}
          options={[ScaleType.Linear, ScaleType.Log, ScaleType.SymLog, ScaleType.Sqrt] as const as never}
          onScaleChange={name => change({ scale: name as ScaleName })}
        />
      </Toolbar></div>
      {problem && <Problem problem={problem} />}
      <div className="ph5-stage">
        {value && (
          <figure className="ph5-figure" aria-label={`Scatter plot of ${plot!.title}`} data-keep-canvas-colors>
            <Points
              title={`${plot!.title}${stride > 1 ? ` (each ${stride}th point)` : ''}`}
              labels={[withUnits(xAxis.label, xAxis.units), withUnits(yAxis.label, yAxis.units), withUnits(plot!.title, plot!.units)]}
              values={value}
              domain={domain}
              scale={scale}
              colorMap={colorMap}
              invert={state.invertColorMap ?? false}
            />
            <ColourBar domain={domain} scale={scale} colorMap={colorMap} invert={state.invertColorMap ?? false} label={plot!.units} />
          </figure>
        )}
      </div>
    </div>
  );
}

interface IPointsProps {
  title: string;
  /** Of x, y and the colour. */
  labels: [string, string, string];
  values: Float64Array[];
  domain: [number, number];
  scale: ScaleName;
  colorMap: ColorMap;
  invert: boolean;
}

const POINT = 10;

function axisOf(numbers: Float64Array, label: string) {
  return { visDomain: extendDomain(extent([numbers]) ?? [0, 1], 0.02), label, showGrid: true, formatTick };
}

function Points({ title, labels, values, domain, scale, colorMap, invert }: IPointsProps): ReactElement {
  const [x, y, colour] = values;
  const [hovered, setHovered] = useState<{ index: number; left: number; top: number }>();
  const [xLabel, yLabel] = labels;
  const abscissa = useMemo(() => axisOf(x, xLabel), [x, xLabel]);
  const ordinate = useMemo(() => axisOf(y, yLabel), [y, yLabel]);
  return (
    <VisCanvas title={title} abscissaConfig={abscissa} ordinateConfig={ordinate} raycasterThreshold={POINT}>
      <DefaultInteractions />
      <ResetZoomButton />
      <ScatterPoints
        abscissas={x}
        ordinates={y}
        data={colour}
        domain={domain}
        scaleType={SCALES[scale]}
        colorMap={colorMap}
        invertColorMap={invert}
        size={POINT}
        onPointerEnter={(index, { nativeEvent }) => setHovered({ index, left: nativeEvent.offsetX, top: nativeEvent.offsetY })}
        onPointerOut={() => setHovered(undefined)}
      />
      <Tooltip show={hovered !== undefined} left={hovered?.left} top={hovered?.top}>
        {hovered && (
          <div className="ph5-reading" data-testid="cursor">
            {values.map((numbers, i) => (
              <div key={labels[i]}>
                {labels[i]} <b>{formatValue(numbers[hovered.index])}</b>
              </div>
            ))}
          </div>
        )}
      </Tooltip>
    </VisCanvas>
  );
}
