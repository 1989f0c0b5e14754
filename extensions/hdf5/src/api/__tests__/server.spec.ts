import { ServerConnection } from '@jupyterlab/services';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ServerProblem } from '../client';
import { Follower } from '../follow';
import { Latest, Slots } from '../latest';
import { ByteLRU } from '../lru';
import { asProblem } from '../problems';
import { Server } from '../server';

type Answer = () => Response | Promise<Response>;
let answers: Answer[];
let asked: Request[];

function json(body: unknown, status = 200): Answer {
  return () => new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
}

function lines(...parts: string[]): Answer {
  const stream = new ReadableStream<Uint8Array>({
    start(control) {
      parts.forEach(part => control.enqueue(new TextEncoder().encode(part)));
      control.close();
    }
  });
  return () => new Response(stream, { headers: { 'Content-Type': 'application/x-ndjson' } });
}

function server(): Server {
  return new Server(
    ServerConnection.makeSettings({
      baseUrl: 'http://localhost/user/ada/',
      fetch: (async (request: Request) => {
        asked.push(request);
        if (request.signal.aborted) {
          throw new DOMException('', 'AbortError');
        }
        return (answers.shift() as Answer)();
      }) as typeof fetch
    })
  );
}

beforeEach(() => {
  answers = [];
  asked = [];
});

describe('the server client', () => {
  it('asks about its file, without Lab’s cache buster', async () => {
    answers.push(json({ total: 3 }));
    const client = server().client('a b/x.h5');
    expect(await client.json('children', { h5path: '/ä&b', offset: 0, sort: undefined })).toEqual({ total: 3 });
    expect(asked[0].url).toBe('http://localhost/user/ada/panosc-hdf5/children?path=a+b%2Fx.h5&h5path=%2F%C3%A4%26b&offset=0');
  });

  it('asks once more when the connection drops, and only then', async () => {
    answers.push(() => Promise.reject(new TypeError('Failed to fetch')), json({ ok: 1 }));
    expect(await server().client('x.h5').json('open')).toEqual({ ok: 1 });
    answers.push(() => Promise.reject(new TypeError('Failed to fetch')), () => Promise.reject(new TypeError('Failed to fetch')));
    await expect(server().client('x.h5').json('open')).rejects.toThrow('Failed to fetch');
    expect(asked.length).toBe(4);
  });

  it('turns refusals into words', async () => {
    answers.push(json({ code: 'too_large', message: 'That is 200 GB.', remedy: 'Ask for tiles.' }, 413));
    const error = (await server().client('x.h5').json('frame').catch(e => e)) as ServerProblem;
    expect(error.status).toBe(413);
    expect(error.problem.remedy).toBe('Ask for tiles.');
    answers.push(() => new Response('<html>Bad gateway', { status: 502 }));
    expect(asProblem(await server().client('x.h5').json('open').catch(e => e)).message).toContain('does not answer');
    expect(asProblem(new TypeError('Failed to fetch')).code).toBe('connection');
  });

  it('asks equal questions once, and remembers the answer until the file changes', async () => {
    answers.push(json({ n: 1 }), json({ n: 2 }));
    const one = server().client('x.h5');
    expect(await Promise.all([one.json('entity'), one.json('entity')])).toEqual([{ n: 1 }, { n: 1 }]);
    expect(await one.json('entity')).toEqual({ n: 1 });
    expect(asked.length).toBe(1);
    one.forget();
    expect(await one.json('entity')).toEqual({ n: 2 });
  });

  it('gives a request up when the last who waits has left', async () => {
    let release: (response: Response) => void = () => undefined;
    answers.push(() => new Promise(resolve => (release = resolve)));
    const client = server().client('x.h5');
    const first = new AbortController();
    const second = new AbortController();
    const leaving = client.json('view', {}, first.signal);
    const staying = client.json('view', {}, second.signal);
    first.abort();
    await expect(leaving).rejects.toThrow('Nobody waits');
    expect(asked[0].signal.aborted).toBe(false);
    second.abort();
    await expect(staying).rejects.toThrow('Nobody waits');
    expect(asked[0].signal.aborted).toBe(true);
    release(new Response('{}'));
  });

  it('reads lines however they are cut', async () => {
    answers.push(lines('{"a":1}\n{"a"', ':2}\n\n{"a":"ü', '"}'));
    const found: unknown[] = [];
    for await (const line of server().client('x.h5').lines('search')) {
      found.push(line);
    }
    expect(found).toEqual([{ a: 1 }, { a: 2 }, { a: 'ü' }]);
  });

  it('fails when the last line is an error', async () => {
    answers.push(lines('{"a":1}\n', '{"error":{"code":"busy","message":"The reader was replaced."}}\n'));
    const read = async (): Promise<void> => {
      for await (const line of server().client('x.h5').lines('search')) {
        expect(line).toEqual({ a: 1 });
      }
    };
    await expect(read()).rejects.toThrow('The reader was replaced.');
  });
});

describe('latest wins', () => {
  it('skips what was overtaken', async () => {
    const latest = new Latest();
    const started: number[] = [];
    const shown: number[] = [];
    const gates: (() => void)[] = [];
    for (const n of [1, 2, 3]) {
      latest.ask(
        () => {
          started.push(n);
          return new Promise<number>(resolve => gates.push(() => resolve(n)));
        },
        value => shown.push(value),
        () => undefined
      );
    }
    gates[0]();
    await vi.waitFor(() => expect(started).toEqual([1, 3]));
    gates[1]();
    await vi.waitFor(() => expect(shown).toEqual([1, 3]));
  });

  it('forgets after a cancel', async () => {
    const latest = new Latest();
    const shown: number[] = [];
    let gate: () => void = () => undefined;
    latest.ask(() => new Promise<number>(resolve => (gate = () => resolve(1))), v => shown.push(v), () => undefined);
    latest.cancel();
    latest.ask(async () => 2, v => shown.push(v), () => undefined);
    gate();
    await vi.waitFor(() => expect(shown).toEqual([2]));
  });

  it('cancels the request before in a slot', () => {
    const slots = new Slots();
    const first = slots.take('thumbnail');
    const other = slots.take('view');
    slots.take('thumbnail');
    expect([first.aborted, other.aborted]).toEqual([true, false]);
  });
});

describe('what is kept', () => {
  it('is what was used last, within the budget', () => {
    const kept = new ByteLRU<string>(10);
    kept.set('a', 'A', 4);
    kept.set('b', 'B', 4);
    kept.get('a');
    kept.set('c', 'C', 4);
    expect([kept.get('a'), kept.get('b'), kept.get('c')]).toEqual(['A', undefined, 'C']);
    kept.set('huge', 'H', 9);
    expect(kept.get('huge')).toBeUndefined();
    expect(kept.nbytes).toBe(8);
  });
});

describe('following', () => {
  it('connects again, ever more slowly, until it is disposed', () => {
    vi.useFakeTimers();
    type Socket = { close: () => void; onmessage: (event: object) => void; onclose: (event: object) => void };
    const sockets: Socket[] = [];
    const states: unknown[] = [];
    const follower = new Follower(() => {
      const socket = { close: vi.fn() } as unknown as Socket;
      sockets.push(socket);
      return socket as never;
    }, state => states.push(state));
    sockets[0].onmessage({ data: '{"shape":[3]}' });
    sockets[0].onmessage({ data: 'nonsense' });
    expect(states).toEqual([{ shape: [3] }]);
    sockets[0].onclose({ code: 1006 });
    vi.advanceTimersByTime(500);
    expect(sockets.length).toBe(2);
    sockets[1].onclose({ code: 1006 });
    vi.advanceTimersByTime(900);
    expect(sockets.length).toBe(2);
    vi.advanceTimersByTime(200);
    expect(sockets.length).toBe(3);
    follower.dispose();
    expect(sockets[2].close).toHaveBeenCalled();
    sockets[2].onclose({ code: 1006 });
    vi.advanceTimersByTime(60_000);
    expect(sockets.length).toBe(3);
    vi.useRealTimers();
  });
});
