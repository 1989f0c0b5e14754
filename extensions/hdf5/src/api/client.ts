import type { IProblem } from './types';

export type Parameters = Record<string, string | number | boolean | undefined>;

export type Values =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** A chunk as it lies in the file; decoded in a web worker. */
export interface IStoredChunk {
  data: Uint8Array;
  dtype: string;
  shape: number[];
  codec: 'bslz4' | 'lz4' | 'raw';
}

export interface IArray {
  dtype: string;
  shape: number[];
  values: Values;
}

export interface IAnswer<H> {
  header: H;
  arrays: Record<string, IArray>;
  stored: Record<string, IStoredChunk>;
  /** Bytes that travelled. */
  nbytes: number;
}

/** A failure that the server put into words. */
export class ServerProblem extends Error {
  constructor(
    readonly problem: IProblem,
    readonly status: number
  ) {
    super(problem.message);
    this.name = 'ServerProblem';
  }
}

/** Who answers: the Jupyter server, or a kernel over a comm. Every question is about one file. */
export interface IClient {
  /** The file's contents path, or its URL. */
  readonly path: string;
  json<T>(operation: string, parameters?: Parameters, signal?: AbortSignal): Promise<T>;
  /** Header and arrays in one envelope. */
  arrays<H>(operation: string, parameters?: Parameters, signal?: AbortSignal): Promise<IAnswer<H>>;
  /** A streamed operation: each part as it comes. */
  stream<H>(operation: string, parameters?: Parameters, signal?: AbortSignal): AsyncIterable<IAnswer<H>>;
  lines<T>(operation: string, parameters?: Parameters, signal?: AbortSignal): AsyncIterable<T>;
  /** Where a download of this is; null where only a kernel answers. */
  url(operation: string, parameters?: Parameters): string | null;
  /** Be told when the data set grows or the file changes; returns how to stop. */
  follow(h5path: string, changed: (state: import('./types').ILiveState) => void): () => void;
  /** The file changed: answers that were kept are out of date. */
  forget?(): void;
}
