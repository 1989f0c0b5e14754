import { DefaultInteractions, ResetZoomButton, VisCanvas, INTERPOLATORS, type ColorMap } from '@h5web/lib';
import { useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactElement, type ReactNode } from 'react';
import type { IAnswer } from '../../api/client';
import type { IViewHeader } from '../../api/types';
import type { Window } from '../../state/viewState';
import { ComparePanel } from '../../tools/ComparePanel';
import { stackDimensions, type IMeasured } from '../../tools/context';
import { ExportButton } from '../../tools/ExportButton';
import { Overlay } from '../../tools/Overlay';
import { Panels } from '../../tools/Panels';
import { ToolButton, ToolButtons } from '../../tools/ToolButtons';
import { useTools } from '../../tools/useTools';
import { axisScale, coordinateAt, pixelAt, type IRange, type IScale } from '../axes';
import { CameraSync, type ISight } from '../Camera';
import { ColourBar } from '../ColourBar';
import { domainOf, scaleOf } from '../domain';
import { Problem } from '../errors';
import { useAxisValues } from '../fetching';
import { formatTick, withUnits } from '../format';
import { transpose, type IPicture } from '../picture';
import { AspectIcon, GridIcon, MaskIcon } from '../icons';
import { afterKey } from '../keys';
import type { IVisProps } from '../props';
import { useSame } from '../same';
import { chooseDimensions, formatSlice, rangeOf, sliceFor } from '../slices';
import { difference, matched, swiped, symmetricDomain, type IReduced } from './compare';
import { Cursor } from './Cursor';
import type { ICanvasSize, IFrame } from './frames';
import { ImageToolbar } from './ImageToolbar';
import { Piece, SCALES, type IColours } from './Piece';
import { TileLayers } from './TileLayers';
import { useFrame } from './useFrame';
import { useOther, type IOther } from './useOther';
import { useTiles } from './useTiles';

/** Where there is no value: grey, which no colour map has. */
export const BAD = { light: '#c4c7cc', dark: '#4a4d52' };
const SIZE_STEP = 64;
/** Pixels; on less, axes and their numbers would take more than half. */
const ROOM_FOR_AXES = 300;

/** The image of a data set or NXdata: which slice of what, how it lies on the axes, and what is measured on it. */
export function ImageView(props: IVisProps): ReactElement {
  const { client, entity, state, change, first, revision, theme } = props;
  const plot = entity.plot;
  const h5path = plot?.signal ?? entity.h5path;
  const shape = plot?.shape ?? entity.shape ?? [];
  const [yDimension, xDimension] = chooseDimensions(shape, 2, state.slice, state.axes);
  const turned = yDimension > xDimension;
  const entries = sliceFor(shape, [yDimension, xDimension], state.slice);
  const slice = formatSlice(entries);
  const rows = rangeOf(entries[yDimension], shape[yDimension]);
  const columns = rangeOf(entries[xDimension], shape[xDimension]);
  const answer = first && 'window' in first.header ? (first as IAnswer<IViewHeader>) : undefined;
  const [element, canvas, roomy] = useCanvasSize();
  // means can be subtracted from each other, largest values can't
  const reduce = state.compare && state.compareMode === 'difference' ? 'mean' : state.reduce;
  const { frame, problem, pending, retry } = useFrame(client, { h5path, reduce, mask: state.mask }, slice, shape, answer, revision, canvas);
  const other = useOther(props, slice, reduce, canvas);
  const tools = useTools();
  const [grid, setGrid] = useState(false);
  const [swipe, setSwipe] = useState(0.5);
  const header = frame?.header;
  const scale = scaleOf(header, state.scale);
  const colorMap = colorMapOf(state.colorMap);
  const [yScale, xScale] = useScales(props, answer, [yDimension, rows], [xDimension, columns]);
  const mine = useMemo(() => upright(frame, turned), [frame, turned]);
  const theirs = useMemo(() => upright(other?.frame, turned), [other?.frame, turned]);
  const mode = state.compare && (state.compareMode ?? 'side');
  const compared = useMemo(() => mine && combine(mine, theirs, mode, swipe), [mine, theirs, mode, swipe]);
  const isDifference = compared !== undefined && compared.mode === 'difference';
  const domain = useSame(isDifference && !state.range ? symmetricDomain(compared.picture) : domainOf(header, state.range, isDifference ? 'linear' : scale));
  const colours = useMemo<IColours>(
    () => ({
      domain,
      scale: isDifference && scale !== 'symlog' ? 'linear' : scale,
      colorMap: isDifference ? 'RdBu' : colorMap,
      invert: isDifference !== (state.invertColorMap ?? false),
      bad: BAD[theme]
    }),
    [domain, scale, colorMap, state.invertColorMap, theme, isDifference]
  );
  const tiles = useTiles(props, { h5path, slice, shape, yDimension, xDimension });
  const keepAspect = state.keepAspect ?? (xScale?.index && yScale?.index ? true : sameUnits(xScale, yScale));
  const units = plot?.units;
  const measured: IMeasured = {
    client, h5path, slice, shape, yDimension, xDimension, turned, plot, units, header, state, change, revision, theme,
    image: { height: rows.count, width: columns.count },
    axes: plot?.axes ?? [],
    geometry: turned ? undefined : plot?.geometry
  };
  const onZoom = useCallback((zoom: Window | undefined) => change({ zoom }), [change]);
  const onKeyDown = (event: KeyboardEvent) => {
    const zoom = event.ctrlKey || event.metaKey || event.altKey ? undefined : afterKey(event.key, state.zoom, [0, rows.count, 0, columns.count], yScale?.index ?? true);
    if (zoom !== undefined) {
      event.preventDefault();
      change({ zoom: zoom ?? undefined });
    }
  };
  const canvasProps = xScale && yScale && { xScale, yScale, keepAspect, grid, axes: roomy, zoom: state.zoom, onZoom };
  const ready = compared && header && canvas && canvasProps;

  return (
    <div className="ph5-vis ph5-image" aria-busy={pending} data-vis="heatmap" data-slice={frame?.slice} data-complete={header?.complete}>
      <ImageToolbar header={header} state={state} change={change} scale={scale} colorMap={colorMap} units={units} />
      {problem && <Problem problem={problem} retry={retry} />}
      {other?.problem && <Problem problem={other.problem} />}
      <div className="ph5-stage">
        <ToolButtons tools={tools} stack={stackDimensions(measured).length > 0}>
          <ToolButton
            label="Mask"
            title="Leave out masked pixels and values that mean “no value”"
            Icon={MaskIcon}
            pressed={state.mask !== 'none'}
            onClick={() => change({ mask: state.mask === 'none' ? 'auto' : 'none' })}
          />
          <ToolButton label="Keep ratio" Icon={AspectIcon} pressed={keepAspect} onClick={() => change({ keepAspect: !keepAspect })} />
          <ToolButton label="Grid" Icon={GridIcon} pressed={grid} onClick={() => setGrid(!grid)} />
          <ExportButton measured={measured} stage={element} />
        </ToolButtons>
        <div className="ph5-stage" ref={element}>
        {ready && (
          <figure
            className="ph5-figure"
            aria-label={describe(props, header)}
            aria-keyshortcuts="+ - 0 ArrowUp ArrowDown ArrowLeft ArrowRight"
            tabIndex={0}
            onKeyDown={onKeyDown}
            data-keep-canvas-colors
          >
            <ImageCanvas {...canvasProps} title={titleOf(props, other, compared.mode)} pan={tools.mode === 'pan' && !tools.over}>
              <Piece picture={compared.picture} {...placeOf(header, turned)} factor={compared.factor} yScale={canvasProps.yScale} xScale={canvasProps.xScale} colours={colours} z={0} screen={canvas} />
              {compared.mode === undefined || compared.mode === 'side' ? (
                <TileLayers {...tiles} slice={frame.slice} overviewFactor={header.factor} yScale={canvasProps.yScale} xScale={canvasProps.xScale} colours={colours} />
              ) : null}
              <Cursor
                client={client}
                plane={{ h5path, slice, ndim: shape.length, yDimension, xDimension, rows, columns }}
                frame={{ picture: compared.picture, factor: compared.factor, header, turned }}
                xScale={canvasProps.xScale}
                yScale={canvasProps.yScale}
                geometry={measured.geometry}
                units={units}
                dtype={plot?.dtype ?? entity.dtype}
                revision={revision}
                drawnOnly={isDifference}
              />
              <Overlay
                xScale={canvasProps.xScale}
                yScale={canvasProps.yScale}
                mode={tools.mode}
                roi={state.roi}
                profile={state.profile}
                point={tools.point}
                onRoi={roi => change({ roi })}
                onProfile={profile => change({ profile })}
                onPoint={tools.setPoint}
                onHover={tools.setOver}
                onDrawn={() => tools.setMode('pan')}
              />
            </ImageCanvas>
            {compared.mode === 'side' && theirs && other?.frame && (
              <ImageCanvas {...canvasProps} title={other.title} pan>
                <Piece picture={theirs.picture} {...placeOf(other.frame.header, turned)} yScale={canvasProps.yScale} xScale={canvasProps.xScale} colours={colours} z={0} screen={canvas} />
              </ImageCanvas>
            )}
            <ColourBar domain={domain} scale={colours.scale} colorMap={colours.colorMap} invert={colours.invert} label={units} />
          </figure>
        )}
        </div>
      </div>
      {compared?.mode === 'swipe' && (
        <label className="ph5-swipe">
          <span>Border</span>
          <input type="range" min={0} max={1} step={0.005} value={swipe} onChange={event => setSwipe(event.target.valueAsNumber)} />
        </label>
      )}
      <Panels measured={measured} tools={tools}>
        {tools.comparing || state.compare ? <ComparePanel measured={measured} onClose={() => tools.comparing && tools.toggleComparing()} /> : null}
      </Panels>
    </div>
  );
}

/** Rows are rows, however the data set has them. */
function upright(shown: IFrame | undefined, turned: boolean): IReduced | undefined {
  return shown && { picture: turned ? transpose(shown.picture) : shown.picture, factor: shown.header.factor };
}

type CompareMode = IVisProps['state']['compareMode'];

interface ICombined {
  picture: IPicture;
  factor: number;
  /** Undefined where there is nothing to compare with. */
  mode?: CompareMode;
}

/** What the main canvas draws. Images of different sizes can only be put side by side. */
function combine(mine: IReduced, theirs: IReduced | undefined, mode: CompareMode, share: number): ICombined {
  const pair = theirs && mode && mode !== 'side' ? matched(mine, theirs) : undefined;
  if (!pair) {
    return { ...mine, mode: theirs && mode && 'side' };
  }
  const { one, other, factor } = pair;
  const picture = mode === 'difference' ? difference(one, other) : swiped(one, other, share);
  return { picture: picture ?? one, factor, mode };
}

function titleOf({ entity }: IVisProps, other: IOther | undefined, mode: CompareMode): string {
  const title = entity.plot?.title || entity.h5path;
  return mode === 'difference' ? `${title} − ${other?.title}` : mode === 'swipe' ? `${title} | ${other?.title}` : title;
}

/** Where an overview lies on the image. */
function placeOf({ window, factor }: IViewHeader, turned: boolean): { y: number; x: number; factor: number } {
  return { y: window[turned ? 2 : 0], x: window[turned ? 0 : 2], factor };
}

interface ICanvasProps {
  title: string;
  xScale: IScale;
  yScale: IScale;
  keepAspect: boolean;
  grid: boolean;
  /** Whether there is room for axes beside the image. */
  axes?: boolean;
  zoom: Window | undefined;
  onZoom: (zoom: Window | undefined) => void;
  /** Whether a drag moves the image. */
  pan: boolean;
  children: ReactNode;
}

/** Axes and camera of an image. Row 0 is on top, unless the rows lie on an axis with values, which grow upwards. */
export function ImageCanvas(props: ICanvasProps): ReactElement {
  const { title, xScale, yScale, keepAspect, grid, axes = true, zoom, onZoom, pan, children } = props;
  const sight = useMemo(() => zoom && sightOf(zoom, yScale, xScale), [zoom, yScale, xScale]);
  const onSight = useCallback(
    (seen: ISight | undefined) => onZoom(seen && windowOf(seen, yScale, xScale)),
    [onZoom, yScale, xScale]
  );
  const abscissa = useMemo(() => axisConfig(xScale, grid), [xScale, grid]);
  const ordinate = useMemo(() => ({ ...axisConfig(yScale, grid), flip: yScale.index }), [yScale, grid]);
  return (
    <VisCanvas title={title} showAxes={axes} aspect={keepAspect ? 'equal' : 'auto'} abscissaConfig={abscissa} ordinateConfig={ordinate}>
      <DefaultInteractions pan={pan ? undefined : false} />
      <ResetZoomButton />
      <CameraSync sight={sight} onSight={onSight} />
      {children}
    </VisCanvas>
  );
}

function axisConfig(scale: IScale, showGrid: boolean) {
  const { edges, log, index, label } = scale;
  return {
    visDomain: [edges[0], edges[edges.length - 1]] as [number, number],
    scaleType: SCALES[log ? 'log' : 'linear'] as never,
    isIndexAxis: index,
    label: label || undefined,
    showGrid,
    formatTick
  };
}

/** The part of the axes that a window in pixels covers. */
export function sightOf([y0, y1, x0, x1]: Window, yScale: IScale, xScale: IScale): ISight {
  return {
    x: [coordinateAt(xScale, x0), coordinateAt(xScale, x1)],
    y: [coordinateAt(yScale, y0), coordinateAt(yScale, y1)]
  };
}

export function windowOf(sight: ISight, yScale: IScale, xScale: IScale): Window {
  const ys = sight.y.map(value => pixelAt(yScale, value)).sort((a, b) => a - b);
  const xs = sight.x.map(value => pixelAt(xScale, value)).sort((a, b) => a - b);
  return [ys[0], ys[1], xs[0], xs[1]].map(value => Math.round(value * 100) / 100) as Window;
}

/** Scales of rows and columns; undefined until the values of their axes are there. */
function useScales(
  { client, entity, revision }: IVisProps,
  answer: IAnswer<IViewHeader> | undefined,
  ...shown: [number, IRange][]
): (IScale | undefined)[] {
  const plot = entity.plot;
  const shape = useSame(plot?.shape ?? entity.shape ?? []);
  const axes = (plot?.axes ?? []).filter(axis => shown.some(([dimension]) => dimension === axis.dimension));
  const given = useMemo(() => (answer?.header.h5path === plot?.signal ? axisArrays(answer) : undefined), [answer, plot?.signal]);
  const values = useAxisValues(client, axes, given, revision);
  const ranges = useSame(shown);
  return useMemo(
    () =>
      ranges.map(
        ([dimension, range]) =>
          values && axisScale(plot?.axes.find(axis => axis.dimension === dimension), values[dimension], shape[dimension], range)
      ),
    [ranges, shape, values, plot]
  );
}

/** The axes' values that an envelope brings along, by dimension. */
export function axisArrays(answer: IAnswer<unknown> | undefined): Record<number, ArrayLike<number>> {
  return Object.fromEntries(
    Object.entries(answer?.arrays ?? {}).flatMap(([name, array]) => {
      const dimension = /^axis(\d+)$/.exec(name)?.[1];
      return dimension === undefined ? [] : [[Number(dimension), Array.from(array.values as ArrayLike<number>, Number)]];
    })
  );
}

function sameUnits(x: IScale | undefined, y: IScale | undefined): boolean {
  return !!x && !!y && x.units !== undefined && x.units === y.units && x.log === y.log;
}

export function colorMapOf(name: string | undefined): ColorMap {
  return name !== undefined && name in INTERPOLATORS ? (name as ColorMap) : 'Viridis';
}

function describe({ entity }: IVisProps, header: IViewHeader): string {
  const { height, width } = header.size;
  const title = withUnits(entity.plot?.title ?? entity.h5path, entity.plot?.units);
  return `Image of ${title}, slice ${header.slice}, ${height} × ${width} pixels`;
}

/** The stage's size in pixels of the screen, rounded so that a drag of a splitter is not forty sizes; whether axes fit in. */
export function useCanvasSize(): [React.RefObject<HTMLDivElement>, ICanvasSize | undefined, boolean] {
  const element = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState<ICanvasSize>();
  const [roomy, setRoomy] = useState(true);
  useEffect(() => {
    const observed = element.current;
    if (!observed) {
      return;
    }
    const measure = () => {
      const { width, height } = observed.getBoundingClientRect();
      if (width > 0 && height > 0) {
        setRoomy(width >= ROOM_FOR_AXES);
        const ratio = Math.min(window.devicePixelRatio || 1, 3);
        const round = (value: number) => Math.min(Math.max(Math.floor((value * ratio) / SIZE_STEP) * SIZE_STEP, 256), 2048);
        const next = { width: round(width - 160), height: round(height - 90) };
        setSize(old => (old && old.width === next.width && old.height === next.height ? old : next));
      }
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(observed);
    return () => observer.disconnect();
  }, []);
  return [element, size, roomy];
}

