import { DataToHtml, SelectionTool, SvgElement, useCanvasEvent, useVisCanvasContext } from '@h5web/lib';
import { useThree } from '@react-three/fiber';
import { useEffect, useRef, useState, type ReactElement } from 'react';
import { Vector3 } from 'three';
import type { Window } from '../state/viewState';
import { coordinateAt, pixelAt, type IScale } from '../vis/axes';
import {
  dragRegion,
  dragSegment,
  gripRegion,
  gripSegment,
  insideSegment,
  wholeRegion,
  type IImageSize,
  type IPoint,
  type IRegionGrip,
  type Segment,
  type SegmentGrip
} from './shapes';

/** What a drag on the image does. */
export type Mode = 'pan' | 'roi' | 'profile' | 'point';

const NEAR = 6;

interface IProps {
  xScale: IScale;
  yScale: IScale;
  mode: Mode;
  roi: Window | undefined;
  profile: Segment | undefined;
  point: IPoint | undefined;
  onRoi: (roi: Window) => void;
  onProfile: (profile: Segment) => void;
  onPoint: (point: IPoint) => void;
  /** Whether the pointer is over a shape: then a drag moves the shape and not the image. */
  onHover: (over: boolean) => void;
  /** Something was drawn: the next drag pans again. */
  onDrawn: () => void;
}

type Held =
  | { kind: 'roi'; grip: IRegionGrip; from: IPoint; shape: Window }
  | { kind: 'profile'; grip: SegmentGrip; from: IPoint; shape: Segment };

/** Regions, lines and points on an image: drawn, and moved by their edges and ends. */
export function Overlay(props: IProps): ReactElement {
  const { xScale, yScale, mode, roi, profile, point } = props;
  const { canvasSize, getFovBox, canvasArea } = useVisCanvasContext();
  const camera = useThree(state => state.camera);
  const held = useRef<Held>();
  const [draft, setDraft] = useState<{ roi?: Window; profile?: Segment }>();
  const image: IImageSize = { height: yScale.edges.length - 1, width: xScale.edges.length - 1 };
  const pointOf = (data: Vector3): IPoint => ({ y: pixelAt(yScale, data.y), x: pixelAt(xScale, data.x) });
  const near = () => {
    const { x, y } = visiblePixels(getFovBox(camera).toRect());
    return NEAR * Math.max(x / canvasSize.width, y / canvasSize.height);
  };
  const { worldToData } = useVisCanvasContext();
  function visiblePixels([from, to]: [Vector3, Vector3]) {
    const a = pointOf(worldToData(from));
    const b = pointOf(worldToData(to));
    return { x: Math.abs(b.x - a.x), y: Math.abs(b.y - a.y) };
  }
  const under = (at: IPoint): Held | undefined => {
    const reach = near();
    const line = profile && gripSegment(profile, at, reach);
    if (profile && line) {
      return { kind: 'profile', grip: line, from: at, shape: profile };
    }
    const region = roi && gripRegion(roi, at, reach);
    return roi && region ? { kind: 'roi', grip: region, from: at, shape: roi } : undefined;
  };

  useCanvasEvent('pointermove', ({ dataPt, sourceEvent }) => {
    const at = pointOf(dataPt);
    const { current } = held;
    if (!current) {
      if (sourceEvent.buttons === 0) {
        const found = mode === 'pan' ? under(at) : undefined;
        props.onHover(found !== undefined);
        canvasArea.style.cursor = mode !== 'pan' ? 'crosshair' : found ? cursorFor(found, yScale.index) : '';
      }
      return;
    }
    setDraft(moved(current, at, image));
  });
  useCanvasEvent('pointerdown', ({ dataPt, sourceEvent }) => {
    if (sourceEvent.button !== 0 || sourceEvent.ctrlKey || sourceEvent.altKey || sourceEvent.shiftKey) {
      return;
    }
    const at = pointOf(dataPt);
    if (mode === 'point') {
      if (at.y >= 0 && at.x >= 0 && at.y < image.height && at.x < image.width) {
        props.onPoint({ y: Math.floor(at.y), x: Math.floor(at.x) });
      }
      return;
    }
    held.current = mode === 'pan' ? under(at) : undefined;
    if (held.current) {
      (sourceEvent.target as Element).setPointerCapture(sourceEvent.pointerId);
    }
  });
  useCanvasEvent('pointerup', ({ dataPt }) => {
    const { current } = held;
    held.current = undefined;
    if (current) {
      const { roi: region, profile: segment } = moved(current, pointOf(dataPt), image);
      setDraft(undefined);
      if (region) {
        props.onRoi(region);
      } else if (segment) {
        props.onProfile(segment);
      }
    }
  });
  useEffect(
    () => () => {
      canvasArea.style.cursor = '';
    },
    [canvasArea]
  );

  const shownRoi = draft?.roi ?? roi;
  const shownProfile = draft?.profile ?? profile;
  return (
    <>
      {(mode === 'roi' || mode === 'profile') && (
        <SelectionTool
          id="Draw"
          validate={({ html: [a, b] }) => a.manhattanDistanceTo(b) > 4}
          onValidSelection={({ data: [from, to] }) => {
            const [a, b] = [pointOf(from), pointOf(to)];
            if (mode === 'roi') {
              props.onRoi(wholeRegion([a.y, b.y, a.x, b.x], image));
            } else {
              props.onProfile(insideSegment([a.y, a.x, b.y, b.x], image));
            }
            props.onDrawn();
          }}
        >
          {({ html: [a, b] }) => (
            <SvgElement>
              {mode === 'roi' ? (
                <rect className="ph5-shape" x={Math.min(a.x, b.x)} y={Math.min(a.y, b.y)} width={Math.abs(b.x - a.x)} height={Math.abs(b.y - a.y)} />
              ) : (
                <line className="ph5-shape" x1={a.x} y1={a.y} x2={b.x} y2={b.y} />
              )}
            </SvgElement>
          )}
        </SelectionTool>
      )}
      {shownRoi && (
        <Marked points={[at(yScale, xScale, shownRoi[0], shownRoi[2]), at(yScale, xScale, shownRoi[1], shownRoi[3])]}>
          {([a, b]) => (
            <rect
              className="ph5-shape"
              data-testid="roi"
              x={Math.min(a.x, b.x)}
              y={Math.min(a.y, b.y)}
              width={Math.abs(b.x - a.x)}
              height={Math.abs(b.y - a.y)}
            />
          )}
        </Marked>
      )}
      {shownProfile && (
        <Marked points={[at(yScale, xScale, shownProfile[0], shownProfile[1]), at(yScale, xScale, shownProfile[2], shownProfile[3])]}>
          {([a, b]) => (
            <g className="ph5-shape" data-testid="profile">
              <line x1={a.x} y1={a.y} x2={b.x} y2={b.y} />
              <circle cx={a.x} cy={a.y} r={4} />
              <circle cx={b.x} cy={b.y} r={4} />
            </g>
          )}
        </Marked>
      )}
      {point && (
        <Marked points={[at(yScale, xScale, point.y + 0.5, point.x + 0.5)]}>
          {([a]) => <path className="ph5-shape" data-testid="point" d={`M${a.x - 8} ${a.y}h16 M${a.x} ${a.y - 8}v16`} />}
        </Marked>
      )}
    </>
  );
}

function at(yScale: IScale, xScale: IScale, y: number, x: number): Vector3 {
  return new Vector3(coordinateAt(xScale, x), coordinateAt(yScale, y));
}

function Marked({ points, children }: { points: Vector3[]; children: (html: Vector3[]) => ReactElement }): ReactElement {
  return (
    <DataToHtml points={points}>
      {(...html: Vector3[]) => <SvgElement>{children(html)}</SvgElement>}
    </DataToHtml>
  );
}

function moved(held: Held, to: IPoint, image: IImageSize): { roi?: Window; profile?: Segment } {
  return held.kind === 'roi'
    ? { roi: dragRegion(held.shape, held.grip, held.from, to, image) }
    : { profile: dragSegment(held.shape, held.grip, held.from, to, image) };
}

function cursorFor(held: Held, rowsDown: boolean): string {
  if (held.kind === 'profile') {
    return held.grip === 'whole' ? 'move' : 'crosshair';
  }
  const { top, bottom, left, right } = held.grip;
  const [up, down] = rowsDown ? [top, bottom] : [bottom, top];
  const name = `${up ? 'n' : down ? 's' : ''}${left ? 'w' : right ? 'e' : ''}`;
  return name ? `${name}-resize` : 'move';
}
