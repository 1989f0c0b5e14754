import { useVisCanvasContext, Box } from '@h5web/lib';
import { useFrame, useThree } from '@react-three/fiber';
import { useCallback, useEffect, useLayoutEffect, useRef } from 'react';
import { Vector3, type Camera } from 'three';
import { useSame } from './same';

/** A rectangle in the coordinates of the axes. */
export interface ISight {
  x: [number, number];
  y: [number, number];
}

const SETTLED_MS = 150;

interface IProps {
  /** What is to be in sight; undefined: everything. */
  sight: ISight | undefined;
  /** What came into sight through the person's hands; undefined: everything. */
  onSight: (sight: ISight | undefined) => void;
  /** Called on every frame, for canvases that move together. */
  onMove?: (sight: ISight | undefined) => void;
}

/** Keeps the camera and the state that says what is in sight the same. */
export function CameraSync({ sight, onSight, onMove }: IProps): null {
  const { getVisibleDomains, dataToWorld, getFovBox, ...sizes } = useVisCanvasContext();
  const canvasSize = useSame(sizes.canvasSize);
  const visSize = useSame(sizes.visSize);
  const camera = useThree(state => state.camera);
  const invalidate = useThree(state => state.invalidate);
  const known = useRef<string>();
  const last = useRef<string>('');
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const report = useRef(onSight);
  report.current = onSight;

  const current = useCallback((): ISight | undefined => {
    if (camera.scale.x >= 0.9999 && camera.scale.y >= 0.9999) {
      return undefined;
    }
    const { xVisibleDomain, yVisibleDomain } = getVisibleDomains(camera);
    return { x: ordered(xVisibleDomain), y: ordered(yVisibleDomain) };
  }, [camera, getVisibleDomains]);

  useLayoutEffect(() => {
    if (keyOf(sight) === known.current || keyOf(sight) === keyOf(current())) {
      return;
    }
    const target = sight ?? null;
    if (target === null) {
      camera.scale.set(1, 1, 1);
      camera.position.set(0, 0, camera.position.z);
    } else {
      const box = Box.fromPoints(
        dataToWorld(new Vector3(target.x[0], target.y[0])),
        dataToWorld(new Vector3(target.x[1], target.y[1]))
      );
      moveTo(camera, box, canvasSize, visSize);
      const fov = getFovBox(camera, box.center).keepWithin(Box.fromSize(visSize));
      camera.position.copy(fov.center.setZ(camera.position.z));
    }
    camera.updateMatrixWorld();
    known.current = keyOf(sight);
    invalidate();
  }, [sight, camera, canvasSize, visSize, dataToWorld, getFovBox, current, invalidate]);

  useFrame(() => {
    const now = current();
    const key = keyOf(now);
    if (key === last.current) {
      return;
    }
    last.current = key;
    onMove?.(now);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      if (key !== known.current) {
        known.current = key;
        report.current(now);
      }
    }, SETTLED_MS);
  });
  useEffect(() => () => clearTimeout(timer.current), []);
  return null;
}

function moveTo(
  camera: Camera,
  box: Box,
  canvas: { width: number; height: number },
  vis: { width: number; height: number }
): void {
  const keepsRatio = Math.abs(vis.width - canvas.width) > 1 || Math.abs(vis.height - canvas.height) > 1;
  let x = Math.min(Math.max(box.size.width, 1e-3) / canvas.width, 1);
  let y = Math.min(Math.max(box.size.height, 1e-3) / canvas.height, 1);
  if (keepsRatio) {
    x = y = Math.max(x, y);
  }
  camera.scale.set(x, y, 1);
}

function ordered([a, b]: [number, number]): [number, number] {
  return a <= b ? [a, b] : [b, a];
}

function keyOf(sight: ISight | undefined): string {
  return sight ? [...sight.x, ...sight.y].map(value => value.toPrecision(6)).join(' ') : '';
}
