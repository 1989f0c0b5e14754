// The connection's liveness, without a browser: a stand-in for WebSocket, and node's clock under control.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Channel, SILENT_AFTER_MS, type Words } from "../src/channel.ts";
import { waitBefore } from "../src/retry.ts";

class FakeSocket {
  static readonly CLOSED = 3;
  static last: FakeSocket;
  binaryType = "blob";
  protocol = "";
  readyState = 1;
  closes = 0;
  onopen: ((event: unknown) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  onclose: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;

  readonly url: string;

  constructor(url: string) {
    this.url = url;
    FakeSocket.last = this;
  }

  close(): void {
    this.closes += 1; // and no event: the other side is gone
  }

  send(): void {}
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setInterval", "Date"] });
  Object.assign(globalThis, { WebSocket: FakeSocket, CloseEvent: Event });
});
afterEach(() => mock.timers.reset());

function connect() {
  const words: Words[] = [];
  const pictures: unknown[] = [];
  const closed: unknown[] = [];
  const channel = new Channel("ws://127.0.0.1/desktop/socket", (said) => words.push(said));
  channel.onmessage = (event) => pictures.push(event.data);
  channel.onclose = (event) => closed.push(event);
  return { channel, words, pictures, closed, socket: FakeSocket.last };
}

test("words and pictures are told apart", () => {
  const { words, pictures, socket } = connect();
  assert.equal(socket.binaryType, "arraybuffer");
  const picture = new ArrayBuffer(4);
  socket.onmessage?.({ data: picture });
  socket.onmessage?.({ data: '{"ended": true}' });
  assert.deepEqual(pictures, [picture]);
  assert.deepEqual(words, [{ ended: true }]);
});

test("silence closes the connection once, without waiting for the other side", () => {
  const { channel, closed, socket } = connect();
  mock.timers.tick(SILENT_AFTER_MS - 1000);
  assert.equal(closed.length, 0);
  mock.timers.tick(3000);
  assert.equal(closed.length, 1);
  assert.equal(channel.readyState, FakeSocket.CLOSED);
  socket.onclose?.({});
  mock.timers.tick(60_000);
  assert.equal(closed.length, 1);
  assert.equal(socket.closes, 1);
});

test("a heartbeat keeps it open, for hours", () => {
  const { closed, socket } = connect();
  for (let second = 0; second < 4 * 3600; second += 4) {
    mock.timers.tick(4000);
    socket.onmessage?.({ data: '{"alive": true}' });
  }
  assert.equal(closed.length, 0);
});

test("one that was closed by the page is not watched", () => {
  const { channel, closed } = connect();
  channel.close();
  mock.timers.tick(60_000);
  assert.equal(closed.length, 0);
});

test("tries come soon at first, and at least every ten seconds for ever", () => {
  const waits = Array.from({ length: 40 }, (_, index) => waitBefore(index + 1));
  assert.ok(waits[0]! < 500);
  assert.deepEqual(waits, [...waits].sort((a, b) => a - b));
  assert.equal(Math.max(...waits), 10_000);
  assert.equal(waitBefore(0), waits[0]);
});
