import type { IArray, IStoredChunk, Values } from '../api/client';
import { makeDecoder, type IDecoder } from './decoder';
import { BSLZ4_WASM } from './module';

interface IRequest {
  id: number;
  chunk: Uint8Array;
  codec: IStoredChunk['codec'];
  nbytes: number;
  itemsize: number;
}

type Reply = { id: number; buffer: ArrayBuffer } | { id: number; error: string };

const KINDS: Record<string, (buffer: ArrayBuffer) => Values> = {
  f4: buffer => new Float32Array(buffer),
  f8: buffer => new Float64Array(buffer),
  i1: buffer => new Int8Array(buffer),
  u1: buffer => new Uint8Array(buffer),
  i2: buffer => new Int16Array(buffer),
  u2: buffer => new Uint16Array(buffer),
  i4: buffer => new Int32Array(buffer),
  u4: buffer => new Uint32Array(buffer),
  i8: buffer => new BigInt64Array(buffer),
  u8: buffer => new BigUint64Array(buffer)
};

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), character => character.charCodeAt(0));
}

/** Swap the bytes of each element: big-endian data as the machine wants them. */
function swap(buffer: ArrayBuffer, itemsize: number): void {
  const bytes = new Uint8Array(buffer);
  for (let i = 0; i < bytes.length; i += itemsize) {
    bytes.subarray(i, i + itemsize).reverse();
  }
}

function arrayOf(stored: IStoredChunk, buffer: ArrayBuffer): IArray {
  const kind = stored.dtype.slice(1);
  const make = KINDS[kind];
  if (!make) {
    throw new Error(`Values of type ${stored.dtype} can't be decoded here.`);
  }
  if (stored.dtype.startsWith('>')) {
    swap(buffer, Number(kind.slice(1)));
  }
  return { dtype: `${stored.dtype.startsWith('|') ? '|' : '<'}${kind}`, shape: stored.shape, values: make(buffer) };
}

function requestOf(stored: IStoredChunk, id: number): IRequest {
  const itemsize = Number(stored.dtype.slice(2));
  if (!KINDS[stored.dtype.slice(1)]) {
    throw new Error(`Values of type ${stored.dtype} can't be decoded here.`);
  }
  const nbytes = stored.shape.reduce((product, length) => product * length, itemsize);
  return { id, chunk: stored.data, codec: stored.codec, nbytes, itemsize };
}

/** What runs in the worker; sent there as text. */
function serve(make: typeof makeDecoder, scope: { onmessage: unknown; postMessage: (message: unknown, transfer?: Transferable[]) => void }): void {
  let decoder: IDecoder | undefined;
  scope.onmessage = ({ data }: MessageEvent<{ wasm: Uint8Array } | IRequest>) => {
    if ('wasm' in data) {
      decoder = make(data.wasm);
      return;
    }
    try {
      const buffer = decoder!.decode(data.chunk, data.codec, data.nbytes, data.itemsize);
      scope.postMessage({ id: data.id, buffer }, [buffer]);
    } catch (error) {
      scope.postMessage({ id: data.id, error: error instanceof Error ? error.message : String(error) });
    }
  };
}

/** Decodes chunks beside the page's own thread; in it where a page may not have workers. */
class ChunkDecoder {
  private worker: Worker | null = null;
  private here: IDecoder | null = null;
  private count = 0;
  private readonly waiting = new Map<number, { resolve: (buffer: ArrayBuffer) => void; reject: (error: Error) => void }>();

  async decode(stored: IStoredChunk): Promise<IArray> {
    const request = requestOf(stored, ++this.count);
    return arrayOf(stored, await this.run(request));
  }

  private run(request: IRequest): Promise<ArrayBuffer> {
    this.start();
    if (this.here) {
      const { chunk, codec, nbytes, itemsize } = request;
      return Promise.resolve().then(() => this.here!.decode(chunk, codec, nbytes, itemsize));
    }
    return new Promise((resolve, reject) => {
      this.waiting.set(request.id, { resolve, reject });
      this.worker!.postMessage(request);
    });
  }

  private start(): void {
    if (this.worker || this.here) {
      return;
    }
    const wasm = bytesOf(BSLZ4_WASM);
    try {
      const text = `(${serve.toString()})(${makeDecoder.toString()}, self);`;
      const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
      this.worker = new Worker(url);
      URL.revokeObjectURL(url);
      this.worker.onmessage = ({ data }: MessageEvent<Reply>) => this.settle(data);
      this.worker.onerror = () => this.fallBack(wasm);
      this.worker.postMessage({ wasm });
    } catch {
      this.here = makeDecoder(wasm);
    }
  }

  private settle(reply: Reply): void {
    const waiting = this.waiting.get(reply.id);
    this.waiting.delete(reply.id);
    if ('error' in reply) {
      waiting?.reject(new Error(reply.error));
    } else {
      waiting?.resolve(reply.buffer);
    }
  }

  /** A policy of the page forbids the worker: those who wait are told, and the next are served here. */
  private fallBack(wasm: Uint8Array): void {
    this.worker?.terminate();
    this.worker = null;
    this.here = makeDecoder(wasm);
    for (const { reject } of this.waiting.values()) {
      reject(new Error('The decoder was stopped by the browser.'));
    }
    this.waiting.clear();
  }
}

const decoder = new ChunkDecoder();

/** Decode a chunk as it lies in the file. */
export function decodeChunk(stored: IStoredChunk): Promise<IArray> {
  return decoder.decode(stored);
}
