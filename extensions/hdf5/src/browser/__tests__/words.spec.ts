import { describe, expect, it } from 'vitest';
import type { IClient } from '../../api/client';
import type { IChild, SearchLine } from '../../api/types';
import { bytes, dtypeText, summary, typeText, valueText } from '../format';
import { collect } from '../Search';
import { colored, lookUpTable, thumbnailKind, ThumbnailQueue } from '../thumbnail';

describe('words', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [17_940_000, '18 MB'],
    [999_600, '1.0 MB'],
    [2e11, '200 GB']
  ])('%d bytes are %s', (n, text) => expect(bytes(n)).toBe(text));

  it('describe a data set on one line', () => {
    const child: IChild = {
      name: 'data',
      h5path: '/data',
      kind: 'dataset',
      link: { type: 'hard' },
      shape: [200, 2167, 2070],
      type: { class: 'integer', size: 4, signed: false, order: 'little' },
      storage: {
        layout: 'chunked',
        chunks: [1, 2167, 2070],
        filters: [{ id: 32008, name: 'bitshuffle', options: [], available: false }],
        stored: 10,
        nbytes: 104,
        ratio: 10.4
      }
    };
    expect(summary(child)).toBe('200 × 2167 × 2070 · uint32 · chunks 1 × 2167 × 2070 · bitshuffle (missing) · 10.4×');
    expect(summary({ ...child, shape: null, storage: undefined })).toBe('empty · uint32');
  });

  it('name types', () => {
    const fields = Array.from({ length: 9 }, (_, i) => ({ name: `f${i}`, type: { class: 'boolean' as const } }));
    expect(typeText({ class: 'compound', size: 9, fields })).toBe('compound {f0, f1, f2, f3, f4, … 9}');
    expect(typeText({ class: 'vlen', base: { class: 'string', charset: 'utf-8', length: null } })).toBe('list of string (utf-8)');
    expect([dtypeText('<f4'), dtypeText('>i2'), dtypeText('|O'), dtypeText(undefined)]).toEqual(['float32', 'int16 big-endian', '|O', '']);
  });

  it('show values as they are', () => {
    expect(valueText({ value: ['time', 'x'], shape: [2] })).toBe('[time, x]');
    expect(valueText({ value: '9007199254740993', shape: [], truncated: true })).toBe('9007199254740993 …');
    expect(valueText({ value: null, shape: null })).toBe('empty');
  });
});

describe('thumbnails', () => {
  const header = (fill: number | null, scale: 'linear' | 'log' = 'linear') => ({ fill, suggested: { scale, domain: [1, 100] as [number, number] } });

  it('leave masked pixels and NaN transparent, and stay within their colours', () => {
    const pixels = colored(Float32Array.of(1, 100, NaN, 7, 1e9, -5), header(7), lookUpTable('Viridis'));
    const alpha = Array.from({ length: 6 }, (_, i) => pixels[4 * i + 3]);
    expect(alpha).toEqual([255, 255, 0, 0, 255, 255]);
    expect([...pixels.subarray(0, 3)]).toEqual([68, 1, 84]);
    expect([...pixels.subarray(4, 7)]).toEqual([253, 231, 37]);
  });

  it('take the logarithm where the server says so, zero included', () => {
    const pixels = colored(Uint16Array.of(0, 10), header(null, 'log'), lookUpTable('Greys'));
    expect(pixels[3]).toBe(255);
    expect(pixels[4]).toBeLessThan(220);
  });

  it('know what can be drawn', () => {
    const kind = (shape: number[] | null, name = 'float') => thumbnailKind({ shape, type: { class: name } as never });
    expect([kind([5]), kind([3, 4]), kind([9, 3, 4]), kind([]), kind(null), kind([0, 4]), kind([1]), kind([4], 'string')]).toEqual([
      'curve', 'image', 'image', null, null, null, null, null
    ]);
  });

  it('are asked for a few at a time', async () => {
    const queue = new ThumbnailQueue();
    let running = 0;
    let most = 0;
    const ask = () =>
      queue.ask(async () => {
        most = Math.max(most, ++running);
        await new Promise(resolve => setTimeout(resolve, 1));
        running--;
      }, new AbortController().signal);
    await Promise.all(Array.from({ length: 10 }, ask));
    expect(most).toBe(2);
  });
});

describe('a search', () => {
  const client = (lines: (SearchLine | Error)[]): IClient =>
    ({
      async *lines() {
        for (const line of lines) {
          if (line instanceof Error) {
            throw line;
          }
          yield line;
        }
      }
    }) as unknown as IClient;
  const match = (h5path: string): SearchLine => ({ match: { h5path, kind: 'dataset' } });
  const run = async (lines: (SearchLine | Error)[]) => {
    let found: Parameters<Parameters<typeof collect>[3]>[0] | undefined;
    await collect(client(lines), { text: 'a', kind: 'substring' }, new AbortController().signal, now => (found = now));
    return found as NonNullable<typeof found>;
  };

  it('collects what comes', async () => {
    const found = await run([match('/a'), { progress: { visited: 5 } }, match('/b/a'), { done: { visited: 9, matches: 2, truncated: true } }]);
    expect(found).toMatchObject({ state: 'done', visited: 9, truncated: true });
    expect(found.matches.length).toBe(2);
  });

  it('keeps what it found when it fails', async () => {
    const found = await run([match('/a'), new Error('The reader was replaced.')]);
    expect(found.matches.length).toBe(1);
    expect(found.problem?.message).toBe('The reader was replaced.');
  });
});
