import type { IAnswer, IClient, Parameters } from '../../api/client';
import type { IViewHeader, Reducer } from '../../api/types';
import { ByteCache } from '../latest';
import { toPicture, type IPicture } from '../picture';
import { formatSlice, parseSlice } from '../slices';

/** One slice as a picture that fits the screen. */
export interface IFrame {
  /** The slice that was asked for. */
  slice: string;
  header: IViewHeader;
  picture: IPicture;
}

export interface IFrameOptions {
  h5path: string;
  reduce: Reducer | undefined;
  mask: 'auto' | 'none' | undefined;
}

/** Pixels of the canvas: a picture gets no finer than them, so that pooling happens on the server and not by the screen. */
export interface ICanvasSize {
  width: number;
  height: number;
}

const BUDGET = 64 * 2 ** 20;

export function frameOf(slice: string, answer: IAnswer<IViewHeader>): IFrame {
  return { slice, header: answer.header, picture: toPicture(answer.arrays.data, answer.header.fill) };
}

/** How many pixels of the image one pixel of the canvas has to show. */
export function neededFactor(image: ICanvasSize, canvas: ICanvasSize): number {
  return Math.max(1, Math.ceil(Math.max(image.width / canvas.width, image.height / canvas.height)));
}

/** Whether a frame has all the detail that the canvas can show at once. */
export function fineEnough(frame: IFrame, canvas: ICanvasSize): boolean {
  return frame.header.factor <= neededFactor(frame.header.size, canvas);
}

/** Whether an answer is a picture of what `options` ask for. */
export function suits(answer: IAnswer<IViewHeader>, options: IFrameOptions): boolean {
  const { header } = answer;
  return (
    'window' in header &&
    answer.arrays.data !== undefined &&
    header.h5path === options.h5path &&
    (options.reduce === undefined || options.reduce === header.reduce) &&
    (options.mask !== 'none' || header.mask === null)
  );
}

function canonical(slice: string): string {
  return formatSlice(parseSlice(slice, slice.split(',').length));
}

/** The slices of a stack, as overviews. Keeps those that were used last. */
export class FrameSource {
  private readonly cache = new ByteCache<IFrame>(BUDGET);
  /** What came with the file, if it is a first part only. */
  private preview: IFrame | undefined;
  private readonly ahead = new Map<string, { abort: AbortController; answer: Promise<IFrame | undefined> }>();

  constructor(
    private readonly client: IClient,
    readonly options: IFrameOptions
  ) {}

  cached(slice: string, canvas: ICanvasSize | undefined): IFrame | undefined {
    const frame = this.cache.get(canonical(slice));
    return frame && (!canvas || fineEnough(frame, canvas)) ? frame : undefined;
  }

  /** A first part of the slice, to be shown until there is more. */
  early(slice: string): IFrame | undefined {
    return this.preview && canonical(this.preview.slice) === canonical(slice) ? this.preview : undefined;
  }

  put(frame: IFrame): void {
    if (!frame.header.complete) {
      this.preview = frame;
    } else {
      this.cache.set(canonical(frame.slice), frame, frame.picture.data.byteLength);
    }
  }

  /** The slice, in parts that get better; the last one is complete. */
  async *load(slice: string, canvas: ICanvasSize, signal: AbortSignal): AsyncGenerator<IFrame> {
    await this.ahead.get(canonical(slice))?.answer;
    const cached = this.cached(slice, canvas);
    if (cached) {
      yield cached;
      return;
    }
    this.cancelPrefetch();
    const parameters = { ...this.parameters(slice, canvas), progressive: true };
    for await (const answer of this.client.stream<IViewHeader>('view', parameters, signal)) {
      const frame = frameOf(slice, answer);
      this.put(frame);
      yield frame;
    }
  }

  /** Ask for a slice that will probably be wanted next. One at a time: more would stand in the way of what is wanted now. */
  prefetch(slice: string, canvas: ICanvasSize): void {
    const key = canonical(slice);
    if (this.cache.peek(key) || this.ahead.has(key)) {
      return;
    }
    this.cancelPrefetch();
    const abort = new AbortController();
    const answer = this.client
      .arrays<IViewHeader>('view', this.parameters(slice, canvas), abort.signal)
      .then(reply => {
        const frame = frameOf(slice, reply);
        this.put(frame);
        return frame;
      })
      .catch(() => undefined)
      .finally(() => {
        if (this.ahead.get(key)?.abort === abort) {
          this.ahead.delete(key);
        }
      });
    this.ahead.set(key, { abort, answer });
  }

  cancelPrefetch(): void {
    for (const { abort } of this.ahead.values()) {
      abort.abort();
    }
    this.ahead.clear();
  }

  private parameters(slice: string, { width, height }: ICanvasSize): Parameters {
    const { h5path, reduce, mask } = this.options;
    return { h5path, slice, width, height, reduce, mask };
  }
}
