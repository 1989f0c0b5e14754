import type { Window } from '../state/viewState';

/** A line on an image, in pixels: [y0, x0, y1, x1]. */
export type Segment = [number, number, number, number];

export interface IPoint {
  y: number;
  x: number;
}

export interface IImageSize {
  height: number;
  width: number;
}

/** What of a rectangle is held: its whole, or some of its sides. */
export interface IRegionGrip {
  top: boolean;
  bottom: boolean;
  left: boolean;
  right: boolean;
}

/** Which part of a rectangle is at a point, `near` pixels of the image wide; null beside it. */
export function gripRegion([y0, y1, x0, x1]: Window, { y, x }: IPoint, near: number): IRegionGrip | null {
  if (y < y0 - near || y > y1 + near || x < x0 - near || x > x1 + near) {
    return null;
  }
  const side = (value: number, edge: number) => Math.abs(value - edge) <= near;
  const grip = { top: side(y, y0), bottom: side(y, y1), left: side(x, x0), right: side(x, x1) };
  // a small region is all edges: of two opposite ones the nearer is meant
  if (grip.top && grip.bottom) {
    grip.top = Math.abs(y - y0) < Math.abs(y - y1);
    grip.bottom = !grip.top;
  }
  if (grip.left && grip.right) {
    grip.left = Math.abs(x - x0) < Math.abs(x - x1);
    grip.right = !grip.left;
  }
  return grip;
}

/** The rectangle after its grip was dragged from one point to another; whole pixels, at least one, within the image. */
export function dragRegion(region: Window, grip: IRegionGrip, from: IPoint, to: IPoint, image: IImageSize): Window {
  const [dy, dx] = [Math.round(to.y - from.y), Math.round(to.x - from.x)];
  const [y0, y1, x0, x1] = region;
  if (!grip.top && !grip.bottom && !grip.left && !grip.right) {
    const shiftY = Math.min(Math.max(dy, -y0), image.height - y1);
    const shiftX = Math.min(Math.max(dx, -x0), image.width - x1);
    return [y0 + shiftY, y1 + shiftY, x0 + shiftX, x1 + shiftX];
  }
  return wholeRegion(
    [grip.top ? y0 + dy : y0, grip.bottom ? y1 + dy : y1, grip.left ? x0 + dx : x0, grip.right ? x1 + dx : x1],
    image
  );
}

/** The rectangle in whole pixels, in order, at least one pixel, within the image. */
export function wholeRegion(region: Window, image: IImageSize): Window {
  const span = (a: number, b: number, length: number): [number, number] => {
    const low = Math.min(Math.max(Math.floor(Math.min(a, b)), 0), length - 1);
    const high = Math.max(Math.min(Math.ceil(Math.max(a, b)), length), low + 1);
    return [low, high];
  };
  return [...span(region[0], region[1], image.height), ...span(region[2], region[3], image.width)];
}

export type SegmentGrip = 'start' | 'end' | 'whole';

/** Which part of a line is at a point. */
export function gripSegment([y0, x0, y1, x1]: Segment, { y, x }: IPoint, near: number): SegmentGrip | null {
  if (Math.hypot(y - y0, x - x0) <= near * 1.5) {
    return 'start';
  }
  if (Math.hypot(y - y1, x - x1) <= near * 1.5) {
    return 'end';
  }
  const [dy, dx] = [y1 - y0, x1 - x0];
  const along = Math.min(Math.max(((y - y0) * dy + (x - x0) * dx) / (dy * dy + dx * dx || 1), 0), 1);
  return Math.hypot(y - y0 - along * dy, x - x0 - along * dx) <= near ? 'whole' : null;
}

export function dragSegment(segment: Segment, grip: SegmentGrip, from: IPoint, to: IPoint, image: IImageSize): Segment {
  const [dy, dx] = [to.y - from.y, to.x - from.x];
  const [y0, x0, y1, x1] = segment;
  const start = grip === 'end' ? [y0, x0] : [y0 + dy, x0 + dx];
  const end = grip === 'start' ? [y1, x1] : [y1 + dy, x1 + dx];
  return insideSegment([start[0], start[1], end[0], end[1]], image);
}

/** The line with its ends within the image, to a tenth of a pixel. */
export function insideSegment([y0, x0, y1, x1]: Segment, { height, width }: IImageSize): Segment {
  const inside = (value: number, length: number) => Math.round(Math.min(Math.max(value, 0), length) * 10) / 10;
  return [inside(y0, height), inside(x0, width), inside(y1, height), inside(x1, width)];
}

/** For a server that knows rows and columns as the file has them. */
export function turnWindow([y0, y1, x0, x1]: Window, turned: boolean): Window {
  return turned ? [x0, x1, y0, y1] : [y0, y1, x0, x1];
}

export function turnPoint(y: number, x: number, turned: boolean): [number, number] {
  return turned ? [x, y] : [y, x];
}
