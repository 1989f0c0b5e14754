// A WebSocket for noVNC that knows whether it is alive.
//
// The server sends a text message every few seconds beside the picture's bytes. A browser cannot see the protocol's own
// pings, and a cut cable closes nothing: silence is what tells.

export interface Words {
  alive?: boolean;
  ended?: boolean;
  problem?: string;
}

export const SILENT_AFTER_MS = 10_000;

export class Channel {
  binaryType: BinaryType = "arraybuffer";
  onopen: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  private readonly socket: WebSocket;
  private readonly watch: ReturnType<typeof setInterval>;
  private heard = Date.now();
  private closed = false;

  constructor(url: string, onWords: (words: Words) => void) {
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = (event) => this.onopen?.(event);
    this.socket.onerror = (event) => this.onerror?.(event);
    this.socket.onclose = (event) => this.finish(event);
    this.socket.onmessage = (event) => {
      this.heard = Date.now();
      if (typeof event.data === "string") {
        onWords(JSON.parse(event.data) as Words);
      } else {
        this.onmessage?.(event);
      }
    };
    this.watch = setInterval(() => {
      if (Date.now() - this.heard > SILENT_AFTER_MS) {
        this.socket.close();
        // The closing handshake of a dead connection takes minutes; nobody waits for it.
        this.finish(new CloseEvent("close", { code: 1006, reason: "silence" }));
      }
    }, 1000);
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  get readyState(): number {
    return this.closed ? WebSocket.CLOSED : this.socket.readyState;
  }

  send(data: ArrayBufferView<ArrayBuffer>): void {
    this.socket.send(data);
  }

  close(): void {
    this.socket.close();
    clearInterval(this.watch);
  }

  private finish(event: CloseEvent): void {
    clearInterval(this.watch);
    if (!this.closed) {
      this.closed = true;
      this.onclose?.(event);
    }
  }
}
