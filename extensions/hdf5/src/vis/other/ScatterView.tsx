import { ColorMapSelector, DomainWidget, ScaleSelector, ScaleType, ScatterVis, Separator, Toolbar } from '@h5web/lib';
import ndarray from 'ndarray';
import { useMemo, type ReactElement } from 'react';
import type { ScaleName } from '../../state/viewState';
import { drawable } from '../domain';
import { Problem } from '../errors';
import { fetchNumbers, MOST_SAMPLES, useFetched } from '../fetching';
import { withUnits } from '../format';
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
  const data = useMemo(() => value && ndarray(value[2], [value[2].length]), [value]);
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
        {value && data && (
          <ScatterVis
            className="ph5-figure"
            title={`${plot!.title}${stride > 1 ? ` (each ${stride}th point)` : ''}`}
            abscissaParams={{ value: value[0], label: withUnits(xAxis.label, xAxis.units) }}
            ordinateParams={{ value: value[1], label: withUnits(yAxis.label, yAxis.units) }}
            dataArray={data}
            domain={domain}
            colorMap={colorMap}
            invertColorMap={state.invertColorMap}
            scaleType={SCALES[scale]}
          />
        )}
      </div>
    </div>
  );
}
