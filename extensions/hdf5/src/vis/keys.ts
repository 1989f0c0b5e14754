import type { Window } from '../state/viewState';

const ZOOM = 1.5;
const STEP = 0.2;
/** Pixels or samples that stay in sight at least, as a share of everything. */
const SMALLEST = 1e-6;

/**
 * What is in sight after a key: plus and minus zoom, arrows move, 0 shows everything (null). Undefined for any other key.
 * All are [y0, y1, x0, x1]; `rowsDown`: y grows downwards on the screen.
 */
export function afterKey(key: string, sight: Window | undefined, full: Window, rowsDown: boolean): Window | null | undefined {
  const now = sight ?? full;
  const down = rowsDown ? 1 : -1;
  switch (key) {
    case '0':
      return null;
    case '+':
    case '=':
      return zoomed(now, 1 / ZOOM, full);
    case '-':
      return zoomed(now, ZOOM, full);
    case 'ArrowUp':
      return moved(now, -down * STEP, 0, full);
    case 'ArrowDown':
      return moved(now, down * STEP, 0, full);
    case 'ArrowLeft':
      return moved(now, 0, -STEP, full);
    case 'ArrowRight':
      return moved(now, 0, STEP, full);
    default:
      return undefined;
  }
}

function zoomed([y0, y1, x0, x1]: Window, factor: number, full: Window): Window | null {
  const around = (a: number, b: number, begin: number, end: number): [number, number] => {
    const half = (Math.max((b - a) * factor, (end - begin) * SMALLEST) / 2) * Math.sign(end - begin || 1);
    return within((a + b) / 2 - half, (a + b) / 2 + half, begin, end);
  };
  const found: Window = [...around(y0, y1, full[0], full[1]), ...around(x0, x1, full[2], full[3])];
  return found.every((value, i) => value === full[i]) ? null : found;
}

function moved([y0, y1, x0, x1]: Window, down: number, right: number, full: Window): Window {
  const [dy, dx] = [(y1 - y0) * down, (x1 - x0) * right];
  return [...within(y0 + dy, y1 + dy, full[0], full[1]), ...within(x0 + dx, x1 + dx, full[2], full[3])];
}

/** The interval, moved and at last cut so that it lies within another one. */
function within(a: number, b: number, begin: number, end: number): [number, number] {
  const size = Math.min(b - a, end - begin);
  const low = Math.min(Math.max(a, begin), end - size);
  return [low, low + size];
}
