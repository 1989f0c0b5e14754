import type { ILiveState } from './types';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** After so long without a break the next break is a new one. */
const SETTLED_MS = 10_000;
/** The server refuses for good: policy, or an error it has put into words. */
const FINAL_CODES = [1008, 4400, 4403, 4404, 4415];

type Socket = Pick<WebSocket, 'close' | 'onopen' | 'onmessage' | 'onclose' | 'onerror'>;

/** Listens to the states of a data set, and connects again, ever more slowly, when the connection breaks. */
export class Follower {
  private _socket: Socket | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _wait = FIRST_WAIT_MS;
  private _opened = 0;
  private _disposed = false;

  constructor(
    private readonly _connect: () => Socket,
    private readonly _changed: (state: ILiveState) => void
  ) {
    this._open();
  }

  dispose(): void {
    this._disposed = true;
    clearTimeout(this._timer);
    this._socket?.close();
    this._socket = null;
  }

  private _open(): void {
    const socket = this._connect();
    this._socket = socket;
    socket.onopen = () => {
      this._opened = Date.now();
    };
    socket.onmessage = (event: MessageEvent) => this._message(event.data);
    socket.onclose = (event: CloseEvent) => this._closed(event.code);
    socket.onerror = () => undefined; // a close follows
  }

  private _message(data: unknown): void {
    if (this._disposed || typeof data !== 'string') {
      return;
    }
    let state: unknown;
    try {
      state = JSON.parse(data);
    } catch {
      return;
    }
    if (typeof state === 'object' && state !== null) {
      this._changed(state as ILiveState);
    }
  }

  private _closed(code: number): void {
    if (this._disposed || FINAL_CODES.includes(code)) {
      return;
    }
    if (this._opened && Date.now() - this._opened > SETTLED_MS) {
      this._wait = FIRST_WAIT_MS;
    }
    this._opened = 0;
    this._timer = setTimeout(() => this._open(), this._wait);
    this._wait = Math.min(2 * this._wait, LONGEST_WAIT_MS);
  }
}
