import {
  CurveType,
  DataCurve,
  DefaultInteractions,
  extendDomain,
  Interpolation,
  ResetZoomButton,
  ScaleType,
  TooltipMesh,
  VisCanvas,
  type AxisScaleType
} from '@h5web/lib';
import { useMemo, type ReactElement, type ReactNode } from 'react';
import { CameraSync, type ISight } from '../Camera';
import { formatTick, formatValue } from '../format';
import { useSame } from '../same';
import { extent, nearest } from './curves';

/** Something to draw: points in order, their errors, what the legend says. */
export interface IPlotted {
  key: string;
  label: string;
  colour: string;
  abscissas: Float64Array;
  ordinates: Float64Array;
  errors?: Float64Array;
  /** What the cursor reads: x and y of each sample, or of each bucket its smallest and largest value. */
  read: { x: ArrayLike<number>; y: ArrayLike<number>; min?: ArrayLike<number>; max?: ArrayLike<number>; errors?: ArrayLike<number> };
}

interface IProps {
  title: string;
  xLabel: string;
  yLabel?: string;
  curves: IPlotted[];
  /** Ends of the axes; absent: those of the curves. */
  xDomain?: [number, number];
  yDomain?: [number, number];
  xLog?: boolean;
  yScale?: AxisScaleType;
  grid?: boolean;
  points?: CurveType;
  steps?: boolean;
  showErrors?: boolean;
  sight?: ISight;
  onSight?: (sight: ISight | undefined) => void;
  children?: ReactNode;
}

/** Curves on common axes, with a cursor that reads all of them. */
export function LinePlot(props: IProps): ReactElement {
  const { title, xLabel, yLabel, curves, xLog = false, yScale = ScaleType.Linear, grid = true } = props;
  const { points = CurveType.LineOnly, steps = false, showErrors = true, sight, onSight, children } = props;
  const log = yScale === ScaleType.Log;
  const [givenX, givenY] = [useSame(props.xDomain), useSame(props.yDomain)];
  const xDomain = useSame(
    useMemo(() => usable(givenX, xLog) ?? extent(curves.map(curve => curve.abscissas), xLog), [givenX, curves, xLog])
  );
  const yDomain = useSame(
    useMemo(
      () => usable(givenY, log) ?? extent(curves.flatMap(curve => spread(curve, showErrors)), log),
      [givenY, curves, log, showErrors]
    )
  );
  const abscissa = useMemo(
    () => ({
      visDomain: extendDomain(xDomain ?? [0, 1], 0.01, xLog ? ScaleType.Log : ScaleType.Linear),
      scaleType: (xLog ? ScaleType.Log : ScaleType.Linear) as AxisScaleType,
      showGrid: grid,
      label: xLabel,
      formatTick: tickFormat(xLog ? ScaleType.Log : ScaleType.Linear, xDomain)
    }),
    [xDomain, xLog, grid, xLabel]
  );
  const ordinate = useMemo(
    () => ({
      visDomain: extendDomain(yDomain ?? (log ? [0.1, 1] : [0, 1]), 0.05, yScale),
      scaleType: yScale,
      showGrid: grid,
      label: yLabel,
      formatTick: tickFormat(yScale, yDomain)
    }),
    [yDomain, log, yScale, grid, yLabel]
  );
  return (
    <VisCanvas title={title} abscissaConfig={abscissa} ordinateConfig={ordinate}>
      <DefaultInteractions />
      <ResetZoomButton />
      {onSight && <CameraSync sight={sight} onSight={onSight} />}
      <TooltipMesh guides="vertical" renderTooltip={x => <Readings x={x} xLabel={xLabel} curves={curves} />} />
      {curves.map(curve => (
        <DataCurve
          key={curve.key}
          abscissas={curve.abscissas}
          ordinates={curve.ordinates}
          errors={curve.errors}
          showErrors={showErrors}
          color={curve.colour}
          curveType={curve.ordinates.length === 1 ? CurveType.GlyphsOnly : points}
          interpolation={steps ? Interpolation.Constant : Interpolation.Linear}
        />
      ))}
      {children}
    </VisCanvas>
  );
}

const SOME = 30;
const MANY = 1000;

/** On a logarithm over more than a few tens there is no room for every tick's number. */
function tickFormat(scale: AxisScaleType, domain: [number, number] | undefined): (value: number) => string {
  const ratio = domain && scale !== ScaleType.Linear ? (scale === ScaleType.SymLog ? Infinity : domain[1] / domain[0]) : 1;
  const written = ratio > MANY ? [1] : ratio > SOME ? [1, 2, 5] : undefined;
  return value => {
    const size = Math.abs(value);
    const mantissa = size / 10 ** Math.floor(Math.log10(size) + 1e-9);
    return !written || value === 0 || written.some(round => Math.abs(mantissa - round) < 1e-6) ? formatTick(value) : '';
  };
}

function Readings({ x, xLabel, curves }: { x: number; xLabel: string; curves: IPlotted[] }): ReactElement {
  const found = curves.map(curve => nearest(curve.read.x, x));
  const at = curves.length > 0 && found[0] >= 0 ? curves[0].read.x[found[0]] : x;
  return (
    <div className="ph5-reading" data-testid="cursor">
      <div>
        {xLabel || 'x'} <b>{formatValue(at)}</b>
      </div>
      {curves.slice(0, 12).map((curve, i) => (
        <div key={curve.key}>
          <span className="ph5-swatch" style={{ background: curve.colour }} data-keep-colors />
          {curves.length > 1 ? `${curve.label}: ` : ''}
          <b>{found[i] < 0 ? '–' : reading(curve, found[i])}</b>
        </div>
      ))}
    </div>
  );
}

function reading({ read }: IPlotted, i: number): string {
  if (read.min && read.max) {
    return `${formatValue(read.min[i])} … ${formatValue(read.max[i])}`;
  }
  const error = read.errors?.[i];
  return `${formatValue(read.y[i])}${error === undefined ? '' : ` ± ${formatValue(error)}`}`;
}

function usable(domain: [number, number] | undefined, positive: boolean): [number, number] | undefined {
  return domain && domain.every(Number.isFinite) && domain[0] <= domain[1] && (!positive || domain[0] > 0) ? domain : undefined;
}

/** What a curve and its error bars reach over. */
function spread({ ordinates, errors }: IPlotted, showErrors: boolean): ArrayLike<number>[] {
  if (!errors || !showErrors) {
    return [ordinates];
  }
  return [ordinates.map((y, i) => y - (errors[i] || 0)), ordinates.map((y, i) => y + (errors[i] || 0))];
}
