import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { ServerProblem } from './client';
import type { IAnswer, IClient, Parameters } from './client';
import { EnvelopeReader, MEDIA_TYPE, readEnvelope } from './envelope';
import { Follower } from './follow';
import { ByteLRU } from './lru';
import { problemIn, problemOf } from './problems';
import { Shared } from './shared';
import type { ILiveState } from './types';

const ROUTE = 'panosc-hdf5';
const KEPT_BYTES = 96 * 1024 ** 2;

/** Asks the Jupyter server. One for all files of a page: the answers kept are kept together. */
export class Server {
  private readonly _settings: ServerConnection.ISettings;
  private readonly _kept = new ByteLRU<IAnswer<unknown>>(KEPT_BYTES);
  private readonly _shared = new Shared<IAnswer<unknown>>();
  private readonly _clients = new Map<string, ServerClient>();

  constructor(settings: ServerConnection.ISettings = ServerConnection.makeSettings()) {
    // Lab forbids the browser's cache; our server's validators are what it needs.
    this._settings = { ...settings, init: { ...settings.init, cache: 'default' } };
  }

  /** The client of one file. */
  client = (path: string): ServerClient => {
    let client = this._clients.get(path);
    if (!client) {
      this._clients.set(path, (client = new ServerClient(this, path)));
    }
    return client;
  };

  url(operation: string, parameters: Parameters): string {
    return URLExt.join(this._settings.baseUrl, ROUTE, operation) + query(parameters);
  }

  follow(path: string, h5path: string, changed: (state: ILiveState) => void): () => void {
    const { wsUrl, token, appendToken, WebSocket } = this._settings;
    const url = URLExt.join(wsUrl, ROUTE, 'live') + query({ path, h5path, token: appendToken ? token : undefined });
    const follower = new Follower(() => new WebSocket(url), changed);
    return () => follower.dispose();
  }

  /** One whole answer: from memory, from a request that is under way, or asked now. */
  async answer(path: string, operation: string, parameters: Parameters, signal?: AbortSignal): Promise<IAnswer<unknown>> {
    const url = this.url(operation, { path, ...parameters });
    const key = keyOf(path, url);
    const kept = this._kept.get(key);
    if (kept) {
      return kept;
    }
    return this._shared.ask(
      key,
      async shared => {
        const answer = await whole(await this.request(url, shared));
        if (!shared.aborted) {
          this._kept.set(key, answer, answer.nbytes);
        }
        return answer;
      },
      signal
    );
  }

  /** A response that is not an error. */
  async request(url: string, signal?: AbortSignal): Promise<Response> {
    const ask = (): Promise<Response> => ServerConnection.makeRequest(url, { method: 'GET', signal }, this._settings);
    let response: Response;
    try {
      response = await ask();
    } catch (error) {
      // A network that changed drops what is under way; every question here can be asked twice.
      if (signal?.aborted || !(error instanceof TypeError)) {
        throw error;
      }
      response = await ask();
    }
    if (!response.ok) {
      throw await problemOf(response);
    }
    return response;
  }

  /** Forget the answers about a file, and what is under way. */
  forget(path: string): void {
    this._kept.deletePrefix(keyOf(path, ''));
    this._shared.forget(keyOf(path, ''));
  }
}

/** Asks about one file. */
export class ServerClient implements IClient {
  constructor(
    private readonly _server: Server,
    readonly path: string
  ) {}

  async json<T>(operation: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
    return (await this._server.answer(this.path, operation, parameters, signal)).header as T;
  }

  async arrays<H>(operation: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<IAnswer<H>> {
    return (await this._server.answer(this.path, operation, parameters, signal)) as IAnswer<H>;
  }

  async *stream<H>(operation: string, parameters: Parameters = {}, signal?: AbortSignal): AsyncIterable<IAnswer<H>> {
    const response = await this._server.request(this._server.url(operation, { path: this.path, ...parameters }), signal);
    if (isEnvelope(response)) {
      yield* envelopes<H>(response);
      return;
    }
    for await (const { value, nbytes } of jsonLines<H>(response)) {
      yield { header: value, arrays: {}, stored: {}, nbytes };
    }
  }

  async *lines<T>(operation: string, parameters: Parameters = {}, signal?: AbortSignal): AsyncIterable<T> {
    for await (const answer of this.stream<T>(operation, parameters, signal)) {
      yield answer.header;
    }
  }

  url(operation: string, parameters: Parameters = {}): string {
    return this._server.url(operation, { path: this.path, ...parameters });
  }

  follow(h5path: string, changed: (state: ILiveState) => void): () => void {
    return this._server.follow(this.path, h5path, state => changed(state));
  }

  /** The file changed: ask again from now on. */
  forget(): void {
    this._server.forget(this.path);
  }
}

function keyOf(path: string, url: string): string {
  return `${path}\n${url}`;
}

function query(parameters: Parameters): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) {
      found.append(name, String(value));
    }
  }
  const text = found.toString();
  return text && `?${text}`;
}

function isEnvelope(response: Response): boolean {
  return (response.headers.get('Content-Type') ?? '').startsWith(MEDIA_TYPE);
}

async function whole(response: Response): Promise<IAnswer<unknown>> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const answer = isEnvelope(response) ? readEnvelope<unknown>(bytes) : fromJson(bytes);
  return refuseError(answer);
}

function fromJson(bytes: Uint8Array): IAnswer<unknown> {
  const header: unknown = JSON.parse(new TextDecoder().decode(bytes));
  return { header, arrays: {}, stored: {}, nbytes: bytes.byteLength };
}

/** A stream that had begun can only fail in its last part. */
function refuseError<H>(answer: IAnswer<H>): IAnswer<H> {
  const header = answer.header;
  if (typeof header === 'object' && header !== null && 'error' in header && Object.keys(header).length === 1) {
    const problem = problemIn(header);
    if (problem) {
      throw new ServerProblem(problem, 200);
    }
  }
  return answer;
}

async function* pieces(response: Response): AsyncIterable<Uint8Array> {
  const reader = response.body?.getReader();
  if (!reader) {
    return;
  }
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      yield value;
    }
  } finally {
    // whoever stops listening stops the server's work as well
    void reader.cancel().catch(() => undefined);
  }
}

async function* envelopes<H>(response: Response): AsyncIterable<IAnswer<H>> {
  const reader = new EnvelopeReader();
  for await (const piece of pieces(response)) {
    for (const answer of reader.push<H>(piece)) {
      yield refuseError(answer);
    }
  }
  reader.end();
}

async function* jsonLines<T>(response: Response): AsyncIterable<{ value: T; nbytes: number }> {
  const decoder = new TextDecoder();
  let rest = '';
  const parse = (line: string): { value: T; nbytes: number } => {
    const answer = { header: JSON.parse(line) as T, arrays: {}, stored: {}, nbytes: line.length };
    return { value: refuseError(answer).header, nbytes: line.length };
  };
  for await (const piece of pieces(response)) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) {
      if (line.trim()) {
        yield parse(line);
      }
    }
  }
  rest += decoder.decode();
  if (rest.trim()) {
    yield parse(rest);
  }
}

let shared: Server | undefined;

/** The server of this page, made at first use. */
export function sharedServer(): Server {
  return (shared ??= new Server());
}
