import { CurveType, ScaleSelector, ScaleType, Selector, Separator, Toolbar, type AxisScaleType } from '@h5web/lib';
import { useEffect, useMemo, useState, type KeyboardEvent, type ReactElement } from 'react';
import type { IAnswer } from '../../api/client';
import type { ILineHeader, IProblem } from '../../api/types';
import type { ISource, Window } from '../../state/viewState';
import type { ISight } from '../Camera';
import { ExportButton } from '../../tools/ExportButton';
import { columnsToCsv } from '../../tools/files';
import { ToolButton } from '../../tools/ToolButtons';
import { Problem, problemOf } from '../errors';
import { useAxisValues } from '../fetching';
import { withUnits } from '../format';
import { ErrorsIcon, GridIcon, LegendIcon } from '../icons';
import { useCanvasSize, axisArrays } from '../image/ImageView';
import { afterKey } from '../keys';
import type { IVisProps } from '../props';
import { chooseDimensions } from '../slices';
import { CurvePicker } from './CurvePicker';
import type { ICurve, ICurveSource } from './curves';
import { useLatest, useSame } from '../same';
import { extent } from './curves';
import { LinePlot, type IPlotted } from './LinePlot';
import { curveColour } from './palette';
import { curvesOf, furtherCurve, onCommonAxis } from './sources';
import { useCurves } from './useCurves';

const STYLES = { line: 'Line', points: 'Points', both: 'Line and points', steps: 'Steps' } as const;
type Style = keyof typeof STYLES;

/** Curves: the signal and what belongs to it, and further ones from here and elsewhere. */
export function LineView(props: IVisProps): ReactElement {
  const { client, entity, state, change, first, revision, theme } = props;
  const plot = entity.plot;
  const shape = plot?.shape ?? entity.shape ?? [];
  const [dimension] = chooseDimensions(shape, 1, state.slice, state.axes?.slice(-1));
  const axis = plot?.axes.find(candidate => candidate.dimension === dimension);
  const [element, canvas] = useCanvasSize();
  const [style, setStyle] = useState<Style>('line');
  const [grid, setGrid] = useState(true);
  const [showErrors, setShowErrors] = useState(true);
  const [picking, setPicking] = useState(false);
  const [xLog, setXLog] = useState(axis?.scale === 'log');
  const { sources, problems } = useSources(props, first as IAnswer<ILineHeader> | undefined);
  const answer = first && 'bucket' in first.header ? (first as IAnswer<ILineHeader>) : undefined;
  const known = useMemo(() => answer && { client, answer }, [client, answer]);
  const sight = useMemo<ISight | undefined>(
    () => state.zoom && { y: [state.zoom[0], state.zoom[1]], x: [state.zoom[2], state.zoom[3]] },
    [state.zoom]
  );
  const points = canvas ? Math.max(canvas.width, 256) : 0;
  const curves = useCurves(canvas ? sources : undefined, points, sight?.x, known, revision);
  const plotted = useMemo(() => curves.shown.map((curve, i) => toPlotted(curve, curveColour(i, theme))), [curves.shown, theme]);
  const xDomain = useMemo(() => extent(curves.whole.map(curve => curve.abscissas), xLog), [curves.whole, xLog]);
  const yScale = (state.scale === 'sqrt' ? ScaleType.Linear : (state.scale ?? plot?.scale ?? 'linear')) as AxisScaleType;
  const yDomain = useMemo(
    () => state.range ?? extent(curves.whole.flatMap(reach), yScale === ScaleType.Log),
    [state.range, curves.whole, yScale]
  );
  const xLabel = state.x !== undefined ? state.x.split('/').pop()! : axis ? withUnits(axis.label, axis.units) : 'index';
  const hasErrors = (sources ?? []).some(source => source.errors !== undefined);
  const all = [...problems, ...curves.problems];
  const onKeyDown = (event: KeyboardEvent) => {
    const full = xDomain && yDomain && ([...yDomain, ...xDomain] as Window);
    const zoom = !full || event.ctrlKey || event.metaKey || event.altKey ? undefined : afterKey(event.key, state.zoom, full, false);
    if (zoom !== undefined) {
      event.preventDefault();
      change({ zoom: zoom ?? undefined });
    }
  };

  return (
    <div className="ph5-vis ph5-line" aria-busy={curves.pending} data-vis="line" data-curves={plotted.length} data-bucket={curves.shown[0]?.samples.header.bucket}>
      <div className="ph5-controls"><Toolbar
        interactions={[
          { shortcut: 'Drag', description: 'Pan' },
          { shortcut: 'Wheel', description: 'Zoom' },
          { shortcut: 'Ctrl+Drag', description: 'Zoom into a rectangle' },
          { shortcut: 'Alt+Wheel', description: 'Zoom in x' },
          { shortcut: 'Shift+Wheel', description: 'Zoom in y' }
        ]}
      >
        <ScaleSelector
          label="x"
          value={xLog ? ScaleType.Log : ScaleType.Linear}
          options={[ScaleType.Linear, ScaleType.Log]}
          onScaleChange={value => setXLog(value === ScaleType.Log)}
        />
        <ScaleSelector
          label="y"
          value={yScale}
          options={[ScaleType.Linear, ScaleType.Log, ScaleType.SymLog] as AxisScaleType[]}
          onScaleChange={value => change({ scale: value })}
        />
        <Separator />
        <Selector
          label="Draw"
          value={style}
          options={Object.keys(STYLES) as Style[]}
          renderOption={option => STYLES[option]}
          onChange={setStyle}
        />
      </Toolbar></div>
      {all.length > 0 && <Problem problem={all[0]} />}
      <div className="ph5-stage">
        <div className="ph5-tools" role="toolbar" aria-label="Plot" aria-orientation="vertical">
          {hasErrors && <ToolButton label="Errors" Icon={ErrorsIcon} pressed={showErrors} onClick={() => setShowErrors(!showErrors)} />}
          <ToolButton label="Grid" Icon={GridIcon} pressed={grid} onClick={() => setGrid(!grid)} />
          <ToolButton label="Curves" title="X axis and further curves" Icon={LegendIcon} pressed={picking} onClick={() => setPicking(!picking)} />
          <ExportButton
            measured={{ client, h5path: plot?.signal ?? entity.h5path, slice: sources?.[0]?.slice ?? '' }}
            stage={element}
            formats={client.url('export') === null ? [] : ['csv', 'npy', 'h5']}
            table={() => tableOf(plotted, xLabel)}
          />
        </div>
      <div className="ph5-stage" ref={element}>
        {plotted.length > 0 && (
          <figure
            className="ph5-figure"
            aria-label={`Plot of ${plot?.title ?? entity.h5path}`}
            aria-keyshortcuts="+ - 0 ArrowUp ArrowDown ArrowLeft ArrowRight"
            tabIndex={0}
            onKeyDown={onKeyDown}
            data-keep-canvas-colors
          >
            <LinePlot
              title={plot?.title || entity.h5path}
              xLabel={xLabel}
              yLabel={plot?.units ? withUnits(plot.signal.split('/').pop()!, plot.units) : undefined}
              curves={plotted}
              xDomain={xDomain}
              yDomain={yDomain}
              xLog={xLog}
              yScale={yScale}
              grid={grid}
              points={style === 'points' ? CurveType.GlyphsOnly : style === 'both' ? CurveType.LineAndGlyphs : CurveType.LineOnly}
              steps={style === 'steps'}
              showErrors={showErrors}
              sight={sight}
              onSight={seen => change({ zoom: seen && [seen.y[0], seen.y[1], seen.x[0], seen.x[1]] })}
            />
          </figure>
        )}
        {!curves.pending && plotted.length === 0 && all.length === 0 && <p className="ph5-note">This data set is empty.</p>}
        {plotted.length > 1 && <Legend curves={plotted} state={state.curves} remove={curvesLeft => change({ curves: curvesLeft })} />}
      </div>
      </div>
      {picking && (
        <div className="ph5-panels">
          <CurvePicker {...props} length={shape[dimension] ?? 0} onClose={() => setPicking(false)} />
        </div>
      )}
    </div>
  );
}

/** The curves' samples or buckets as columns. */
function tableOf(curves: IPlotted[], xLabel: string): string {
  return columnsToCsv(
    curves.flatMap(({ label, read }, i) => [
      ...(i === 0 || read.x !== curves[0].read.x ? [{ name: i === 0 ? xLabel : `${xLabel} of ${label}`, values: read.x }] : []),
      ...(read.min && read.max
        ? [
            { name: `${label} (min)`, values: read.min },
            { name: `${label} (max)`, values: read.max }
          ]
        : [{ name: label, values: read.y }]),
      ...(read.errors ? [{ name: `${label} (error)`, values: read.errors }] : [])
    ])
  );
}

function toPlotted(curve: ICurve, colour: string): IPlotted {
  const { source, samples, x, abscissas, ordinates, errors } = curve;
  const bucketed = samples.header.bucket > 1;
  return {
    key: source.key,
    label: source.label,
    colour,
    abscissas,
    ordinates,
    errors,
    read: { x, y: samples.first, min: bucketed ? samples.min : undefined, max: bucketed ? samples.max : undefined, errors }
  };
}

function reach({ ordinates, errors }: ICurve): ArrayLike<number>[] {
  return errors ? [ordinates.map((y, i) => y - (errors[i] || 0)), ordinates.map((y, i) => y + (errors[i] || 0))] : [ordinates];
}

interface ILegendProps {
  curves: IPlotted[];
  state: ISource[] | undefined;
  remove: (left: ISource[] | undefined) => void;
}

/** Which colour is which curve; further curves can be taken away again. */
function Legend({ curves, state, remove }: ILegendProps): ReactElement {
  return (
    <ul className="ph5-legend" aria-label="Curves">
      {curves.map(curve => {
        const further = state?.find(source => JSON.stringify(source) === curve.key);
        return (
          <li key={curve.key}>
            <span className="ph5-swatch" style={{ background: curve.colour }} data-keep-colors />
            <span className="ph5-legend-label" title={curve.label}>
              {curve.label}
            </span>
            {further && (
              <button
                type="button"
                className="ph5-close"
                aria-label={`Take ${curve.label} off the plot`}
                onClick={() => {
                  const left = state!.filter(source => source !== further);
                  remove(left.length > 0 ? left : undefined);
                }}
              >
                ×
              </button>
            )}
          </li>
        );
      })}
    </ul>
  );
}

const NONE: readonly ISource[] = [];

/** The curves to draw; undefined until axes and further entities are known. */
function useSources(
  { client, clientFor, entity, state, revision }: IVisProps,
  first: IAnswer<ILineHeader> | undefined
): { sources: ICurveSource[] | undefined; problems: IProblem[] } {
  const given = useMemo(() => (first?.header.h5path === entity.plot?.signal ? axisArrays(first) : undefined), [first, entity.plot?.signal]);
  const axes = state.x === undefined ? (entity.plot?.axes ?? []) : [];
  const values = useAxisValues(client, axes, given, revision);
  const { slice, x } = state;
  const order = useSame(state.axes);
  const [further, setFurther] = useState<{ wanted: readonly ISource[]; sources: ICurveSource[]; problems: IProblem[] }>();
  const wanted = useSame(state.curves ?? NONE);
  const clientOf = useLatest(clientFor);
  useEffect(() => {
    const abort = new AbortController();
    void Promise.allSettled(
      wanted.map(source => furtherCurve(source, source.path === undefined ? client : clientOf.current(source.path), abort.signal))
    ).then(results => {
      if (!abort.signal.aborted) {
        setFurther({
          wanted,
          sources: results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : [])),
          problems: results.flatMap(result => (result.status === 'rejected' ? [problemOf(result.reason)] : []))
        });
      }
    });
    return () => abort.abort();
  }, [client, clientOf, wanted]);
  const sources = useMemo(() => {
    if (!values || (wanted.length && further?.wanted !== wanted)) {
      return undefined;
    }
    return onCommonAxis(curvesOf(client, entity, { slice, axes: order, x }, values), wanted.length ? further!.sources : []);
  }, [client, entity, slice, order, x, values, further, wanted]);
  return { sources, problems: wanted.length ? (further?.problems ?? []) : [] };
}
