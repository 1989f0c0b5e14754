import { ServerProblem } from './client';
import type { IAnswer, IClient, Parameters } from './client';
import { readEnvelope } from './envelope';
import type { ILiveState, IProblem } from './types';

/** What a widget's model offers: messages with buffers, both ways. `panosc_hdf5/notebook/conversation.py` is the other side. */
export interface IChannel {
  send(message: Record<string, unknown>): void;
  /** @returns how to stop listening. */
  listen(receive: (message: unknown, buffers: readonly DataView[]) => void): () => void;
}

type Message =
  | { request: number; kind: 'answer'; form: 'json'; header: unknown }
  | { request: number; kind: 'answer'; form: 'envelope' }
  | { request: number; kind: 'answer'; form: 'body'; media_type: string; filename: string }
  | { request: number; kind: 'state'; state: ILiveState }
  | { request: number; kind: 'end'; cancelled?: boolean }
  | { request: number; kind: 'problem'; problem: IProblem; status: number };

interface IListener {
  part(message: Message, bytes: Uint8Array): void;
  end(): void;
  fail(error: Error): void;
}

const KERNEL_GONE: IProblem = {
  code: 'kernel_gone',
  message: 'The kernel that reads this file does not run any more.',
  remedy: 'Run the cell again.'
};

/** Asks the kernel that made the widget. One for each widget; {@link CommKernel.client} gives the client of a file. */
export class CommKernel {
  private readonly _listeners = new Map<number, IListener>();
  private readonly _stop: () => void;
  private _count = 0;
  private _closed = false;

  constructor(private readonly _channel: IChannel) {
    this._stop = _channel.listen((message, buffers) => this._receive(message, buffers));
  }

  /** @param file - absent: the widget's own; else as the kernel sees it from there. */
  client(path: string, file?: string): CommClient {
    return new CommClient(this, path, file);
  }

  /** The kernel is gone, or the widget: whoever waits is told. */
  dispose(): void {
    if (!this._closed) {
      this._closed = true;
      this._stop();
      for (const listener of this._listeners.values()) {
        listener.fail(new ServerProblem(KERNEL_GONE, 503));
      }
      this._listeners.clear();
    }
  }

  /** Begin a request. @returns how to give it up. */
  begin(message: Record<string, unknown>, listener: IListener): () => void {
    if (this._closed) {
      listener.fail(new ServerProblem(KERNEL_GONE, 503));
      return () => undefined;
    }
    const request = ++this._count;
    this._listeners.set(request, listener);
    this._channel.send({ ...message, request });
    return () => {
      if (this._listeners.delete(request) && !this._closed) {
        this._channel.send({ kind: 'cancel', request });
      }
    };
  }

  private _receive(raw: unknown, buffers: readonly DataView[]): void {
    const message = raw as Message;
    const listener = typeof message === 'object' && message !== null ? this._listeners.get(message.request) : undefined;
    if (!listener) {
      return;
    }
    if (message.kind === 'end' || message.kind === 'problem') {
      this._listeners.delete(message.request);
    }
    if (message.kind === 'end') {
      listener.end();
    } else if (message.kind === 'problem') {
      listener.fail(new ServerProblem(message.problem, message.status));
    } else {
      const view = buffers[0];
      listener.part(message, view ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array());
    }
  }
}

/** Asks about one file. */
export class CommClient implements IClient {
  constructor(
    private readonly _kernel: CommKernel,
    readonly path: string,
    private readonly _file?: string
  ) {}

  async json<T>(operation: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
    return (await this.arrays<T>(operation, parameters, signal)).header;
  }

  async arrays<H>(operation: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<IAnswer<H>> {
    let last: IAnswer<H> | undefined;
    for await (const answer of this.stream<H>(operation, parameters, signal)) {
      last = answer;
    }
    if (!last) {
      throw new ServerProblem({ code: 'empty', message: 'The kernel gave no answer.', remedy: 'Try again.' }, 500);
    }
    return last;
  }

  async *stream<H>(operation: string, parameters: Parameters = {}, signal?: AbortSignal): AsyncIterable<IAnswer<H>> {
    const queue = new Queue<IAnswer<H>>();
    if (signal?.aborted) {
      throw aborted();
    }
    const giveUp = this._kernel.begin(
      { kind: 'ask', operation, parameters: defined(parameters), file: this._file },
      {
        part: (message, bytes) => {
          try {
            queue.push(answerOf<H>(message, bytes));
          } catch (error) {
            queue.fail(error as Error);
          }
        },
        end: () => queue.end(),
        fail: error => queue.fail(error)
      }
    );
    const abort = (): void => queue.abort(aborted());
    signal?.addEventListener('abort', abort, { once: true });
    try {
      yield* queue;
    } finally {
      signal?.removeEventListener('abort', abort);
      giveUp();
    }
  }

  async *lines<T>(operation: string, parameters: Parameters = {}, signal?: AbortSignal): AsyncIterable<T> {
    for await (const answer of this.stream<T>(operation, parameters, signal)) {
      yield answer.header;
    }
  }

  /** Only a kernel answers: there is no address. */
  url(): string | null {
    return null;
  }

  follow(h5path: string, changed: (state: ILiveState) => void): () => void {
    return this._kernel.begin(
      { kind: 'follow', h5path, file: this._file },
      {
        part: message => message.kind === 'state' && changed(message.state),
        end: () => undefined,
        fail: error => changed({ shape: null, size: 0, mtime_ns: 0, error: (error as ServerProblem).problem })
      }
    );
  }
}

/** Turns what is pushed into what is awaited, in order. */
class Queue<T> implements AsyncIterable<T> {
  private readonly _values: T[] = [];
  private _wake: (() => void) | null = null;
  private _over = false;
  private _error: Error | null = null;

  push(value: T): void {
    this._values.push(value);
    this._wake?.();
  }

  end(): void {
    this._over = true;
    this._wake?.();
  }

  fail(error: Error): void {
    this._error ??= error;
    this.end();
  }

  /** Fail at once, even if values wait. */
  abort(error: Error): void {
    this._values.length = 0;
    this.fail(error);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (;;) {
      if (this._values.length) {
        yield this._values.shift() as T;
      } else if (this._error) {
        throw this._error;
      } else if (this._over) {
        return;
      } else {
        await new Promise<void>(resolve => (this._wake = resolve));
      }
    }
  }
}

function answerOf<H>(message: Message, bytes: Uint8Array): IAnswer<H> {
  if (message.kind !== 'answer') {
    throw new Error('The kernel answered something else than was asked.');
  }
  switch (message.form) {
    case 'json':
      return { header: message.header as H, arrays: {}, stored: {}, nbytes: 0 };
    case 'envelope':
      return readEnvelope<H>(aligned(bytes));
    case 'body': {
      const values = aligned(bytes);
      const header = { media_type: message.media_type, filename: message.filename } as H;
      return { header, arrays: { body: { dtype: '|u1', shape: [values.length], values } }, stored: {}, nbytes: values.length };
    }
  }
}

/** Typed arrays must start at multiples of their item's size; a message's buffers start anywhere. */
function aligned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.byteOffset % 8 === 0 ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice();
}

function defined(parameters: Parameters): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) {
      found[name] = String(value);
    }
  }
  return found;
}

function aborted(): DOMException {
  return new DOMException('Nobody waits for the answer any more.', 'AbortError');
}
