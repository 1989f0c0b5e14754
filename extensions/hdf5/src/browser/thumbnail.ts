import * as chromatic from 'd3-scale-chromatic';
import type { IAnswer, IClient, Values } from '../api/client';
import type { IChild, ILineHeader, IType, IViewHeader } from '../api/types';

export const THUMBNAIL = 96;
const AT_ONCE = 2;
const STEPS = 256;

/** What a thumbnail can be drawn of. */
export function thumbnailKind(child: { shape?: readonly number[] | null; type?: IType }): 'image' | 'curve' | null {
  const { shape, type } = child;
  const numbers = type === undefined || ['integer', 'float', 'boolean', 'enum', 'bitfield'].includes(type.class);
  if (!shape?.length || !numbers || shape.some(length => length === 0)) {
    return null;
  }
  if (shape.length === 1) {
    return shape[0] > 1 ? 'curve' : null;
  }
  const [height, width] = shape.slice(-2);
  return height > 1 && width > 1 ? 'image' : null;
}

/** Asks for thumbnails, a few at a time, so that pictures that are waited for come first. */
export class ThumbnailQueue {
  private _running = 0;
  private readonly _waiting: (() => void)[] = [];

  async ask<T>(question: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this._running >= AT_ONCE) {
      await new Promise<void>(resolve => this._waiting.push(resolve));
    }
    this._running++;
    try {
      signal.throwIfAborted();
      return await question();
    } finally {
      this._running--;
      this._waiting.shift()?.();
    }
  }
}

const queue = new ThumbnailQueue();

/** Draw an object's thumbnail on a canvas. */
export async function drawThumbnail(
  canvas: HTMLCanvasElement,
  client: IClient,
  child: Pick<IChild, 'h5path' | 'shape' | 'type'>,
  colorMap: string,
  signal: AbortSignal
): Promise<void> {
  const { h5path } = child;
  if (thumbnailKind(child) === 'curve') {
    const answer = await queue.ask(() => client.arrays<ILineHeader>('line', { h5path, points: THUMBNAIL }, signal), signal);
    paintCurve(canvas, answer);
    return;
  }
  const size = { width: THUMBNAIL, height: THUMBNAIL };
  const answer = await queue.ask(() => client.arrays<IViewHeader>('view', { h5path, ...size }, signal), signal);
  paintImage(canvas, answer, lookUpTable(colorMap));
}

function paintImage(canvas: HTMLCanvasElement, answer: IAnswer<IViewHeader>, colors: Uint8ClampedArray): void {
  const { data } = answer.arrays;
  const [height, width] = data.shape;
  canvas.width = width;
  canvas.height = height;
  canvas.getContext('2d')?.putImageData(new ImageData(colored(data.values, answer.header, colors) as ImageDataArray, width, height), 0, 0);
}

/** Colours of values: scaled as the server suggests, what is masked or no number stays transparent. */
export function colored(
  values: Values,
  header: Pick<IViewHeader, 'fill' | 'suggested'>,
  colors: Uint8ClampedArray
): Uint8ClampedArray {
  const { scale, domain } = header.suggested;
  const to = scale === 'log' ? (v: number) => Math.log10(Math.max(v, Number.MIN_VALUE)) : (v: number) => v;
  const low = to(domain[0]);
  const span = to(domain[1]) - low || 1;
  const pixels = new Uint8ClampedArray(4 * values.length);
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]);
    if (Number.isNaN(value) || value === header.fill) {
      continue;
    }
    const step = Math.max(0, Math.min(STEPS - 1, Math.floor(((to(value) - low) / span) * STEPS))) || 0;
    pixels.set(colors.subarray(4 * step, 4 * step + 4), 4 * i);
  }
  return pixels;
}

function paintCurve(canvas: HTMLCanvasElement, answer: IAnswer<ILineHeader>): void {
  canvas.width = THUMBNAIL;
  canvas.height = THUMBNAIL / 2;
  const context = canvas.getContext('2d');
  const low = answer.arrays.min ?? answer.arrays.first;
  const high = answer.arrays.max ?? answer.arrays.first;
  const { min, max } = answer.header.stats;
  if (!context || !low || min === null || max === null) {
    return;
  }
  const y = (value: number): number => (canvas.height - 3) * (1 - (value - min) / (max - min || 1)) + 1.5;
  context.strokeStyle = getComputedStyle(canvas).color;
  context.lineWidth = 1.2;
  context.beginPath();
  for (let i = 0; i < low.values.length; i++) {
    const x = (i / Math.max(1, low.values.length - 1)) * canvas.width;
    context.lineTo(x, y(Number(low.values[i])));
    context.lineTo(x, y(Number(high.values[i])));
  }
  context.stroke();
}

const tables = new Map<string, Uint8ClampedArray>();

/** 256 RGBA colours of a colour map by h5web's names, which are d3's. */
export function lookUpTable(name: string): Uint8ClampedArray {
  let table = tables.get(name);
  if (!table) {
    const found = (chromatic as unknown as Record<string, unknown>)[`interpolate${name}`];
    const color = (typeof found === 'function' ? found : chromatic.interpolateViridis) as (t: number) => string;
    table = new Uint8ClampedArray(4 * STEPS);
    for (let step = 0; step < STEPS; step++) {
      table.set([...rgb(color(step / (STEPS - 1))), 255], 4 * step);
    }
    tables.set(name, table);
  }
  return table;
}

function rgb(color: string): number[] {
  const hex = /^#([0-9a-f]{6})$/i.exec(color);
  if (hex) {
    const value = parseInt(hex[1], 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  }
  return (color.match(/[\d.]+/g) ?? [0, 0, 0]).slice(0, 3).map(Number);
}
