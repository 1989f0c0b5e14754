import { describe, expect, it, vi } from 'vitest';
import { CommKernel } from '../comm';
import type { ILiveState } from '../types';

function envelope(header: object, values: Float32Array): Uint8Array {
  const json = { ...header, arrays: [{ name: 'data', dtype: '<f4', shape: [values.length], offset: 0, nbytes: values.byteLength, encoding: 'raw' }], payload: Math.ceil(values.byteLength / 8) * 8 };
  let text = JSON.stringify(json);
  text += ' '.repeat((8 - ((8 + text.length) % 8)) % 8);
  const bytes = new Uint8Array(8 + text.length + json.payload);
  bytes.set([0x50, 0x48, 0x35, 1]);
  new DataView(bytes.buffer).setUint32(4, text.length, true);
  bytes.set(new TextEncoder().encode(text), 8);
  bytes.set(new Uint8Array(values.buffer), 8 + text.length);
  return bytes;
}

function pair() {
  const sent: Record<string, unknown>[] = [];
  let receive: (message: unknown, buffers: readonly DataView[]) => void = () => undefined;
  const stop = vi.fn();
  const kernel = new CommKernel({
    send: message => sent.push(message),
    listen: found => {
      receive = found;
      return stop;
    }
  });
  const reply = (message: object, bytes?: Uint8Array, shift = 0): void => {
    const buffer = new Uint8Array((bytes?.length ?? 0) + shift);
    buffer.set(bytes ?? [], shift);
    receive(message, bytes ? [new DataView(buffer.buffer, shift)] : []);
  };
  return { kernel, client: kernel.client('a.h5'), sent, reply, stop };
}

describe('a kernel that answers', () => {
  it('gives JSON', async () => {
    const { client, sent, reply } = pair();
    const answer = client.json('children', { h5path: '/', limit: 10, follow: true, nothing: undefined });
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]).toMatchObject({ kind: 'ask', operation: 'children', parameters: { h5path: '/', limit: '10', follow: 'true' }, request: 1 });
    reply({ request: 1, kind: 'answer', form: 'json', header: { total: 3 } });
    reply({ request: 1, kind: 'end' });
    expect(await answer).toEqual({ total: 3 });
  });

  it.each([0, 1, 5])('gives arrays wherever the bytes start (%i)', async shift => {
    const { client, sent, reply } = pair();
    const answer = client.arrays('view');
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    reply({ request: 1, kind: 'answer', form: 'envelope' }, envelope({ factor: 2 }, new Float32Array([1, 2, 3])), shift);
    reply({ request: 1, kind: 'end' });
    const { header, arrays } = await answer;
    expect(header).toMatchObject({ factor: 2 });
    expect([...(arrays.data.values as Float32Array)]).toEqual([1, 2, 3]);
  });

  it('gives the parts of a stream in order, and stops the kernel when nobody listens', async () => {
    const { client, sent, reply } = pair();
    const stream = client.lines<{ n: number }>('search')[Symbol.asyncIterator]();
    const first = stream.next();
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    for (const n of [1, 2, 3]) {
      reply({ request: 1, kind: 'answer', form: 'json', header: { n } });
    }
    expect((await first).value).toEqual({ n: 1 });
    expect((await stream.next()).value).toEqual({ n: 2 });
    await stream.return?.();
    expect(sent[1]).toEqual({ kind: 'cancel', request: 1 });
  });

  it('says problems in the words that came', async () => {
    const { client, sent, reply } = pair();
    const answer = client.json('view');
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    reply({ request: 1, kind: 'problem', status: 413, problem: { code: 'too_large', message: 'Too large.' } });
    await expect(answer).rejects.toMatchObject({ status: 413, problem: { code: 'too_large' } });
  });

  it('gives up at once', async () => {
    const { client, sent } = pair();
    const abort = new AbortController();
    const answer = client.json('view', {}, abort.signal);
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    abort.abort();
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
    expect(sent[1]).toEqual({ kind: 'cancel', request: 1 });
    await expect(client.json('view', {}, abort.signal)).rejects.toMatchObject({ name: 'AbortError' });
    expect(sent).toHaveLength(2);
  });

  it('tells everybody who waits when the kernel goes', async () => {
    const { kernel, client, sent, stop } = pair();
    const answer = client.json('view');
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    kernel.dispose();
    await expect(answer).rejects.toMatchObject({ problem: { code: 'kernel_gone' } });
    await expect(client.json('view')).rejects.toMatchObject({ problem: { code: 'kernel_gone' } });
    expect(stop).toHaveBeenCalledOnce();
  });

  it('follows', () => {
    const { client, sent, reply } = pair();
    const states: ILiveState[] = [];
    const stop = client.follow('/data', state => states.push(state));
    expect(sent[0]).toMatchObject({ kind: 'follow', h5path: '/data' });
    reply({ request: 1, kind: 'state', state: { shape: [3], size: 1, mtime_ns: 1 } });
    stop();
    reply({ request: 1, kind: 'state', state: { shape: [4], size: 1, mtime_ns: 1 } });
    expect(states.map(state => state.shape)).toEqual([[3]]);
    expect(sent[1]).toEqual({ kind: 'cancel', request: 1 });
  });

  it('takes nonsense for nothing', () => {
    const { reply } = pair();
    for (const message of [null, 3, 'x', {}, { request: 99, kind: 'end' }]) {
      reply(message as object);
    }
  });
});
