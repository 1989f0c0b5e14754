import { describe, expect, it } from 'vitest';
import { halfToFloat, unshuffle } from '../dtype';
import { EnvelopeError, EnvelopeReader, readEnvelope } from '../envelope';

interface IPart {
  name: string;
  dtype: string;
  shape: number[];
  data: ArrayBufferView;
  encoding?: string;
  stored?: string;
}

/** A header to be broken: anything may be put anywhere. */
interface IHead {
  arrays: Record<string, unknown>[] | null;
  payload: unknown;
}

function make(header: object, parts: IPart[], change: (head: IHead) => unknown = () => undefined): Uint8Array {
  let offset = 0;
  const arrays = parts.map(({ data, ...part }) => {
    const entry = { encoding: 'raw', ...part, offset, nbytes: data.byteLength };
    offset += Math.ceil(data.byteLength / 8) * 8;
    return entry;
  });
  const offsets = arrays.map(entry => entry.offset);
  const head = { ...header, arrays, payload: offset };
  change(head);
  const text = new TextEncoder().encode(JSON.stringify(head));
  const length = Math.ceil((8 + text.length) / 8) * 8 - 8;
  const bytes = new Uint8Array(8 + length + offset).fill(32, 8, 8 + length);
  bytes.set([0x50, 0x48, 0x35, 1]);
  new DataView(bytes.buffer).setUint32(4, length, true);
  bytes.set(text, 8);
  parts.forEach(({ data }, i) =>
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 8 + length + offsets[i])
  );
  return bytes;
}

const u16 = { name: 'data', dtype: '<u2', shape: [3], data: Uint16Array.of(1, 515, 65535) };

const entry = (head: IHead) => (head.arrays as Record<string, unknown>[])[0];

describe('an envelope', () => {
  it('gives its header and its arrays', () => {
    const f64 = { name: 'x', dtype: '<f8', shape: [1, 2], data: Float64Array.of(0.5, NaN) };
    const answer = readEnvelope<{ h5path: string }>(make({ h5path: '/a' }, [u16, f64]));
    expect(answer.header).toEqual({ h5path: '/a' });
    expect([...answer.arrays.data.values]).toEqual([1, 515, 65535]);
    expect([...answer.arrays.x.values]).toEqual([0.5, NaN]);
    expect(answer.arrays.x.shape).toEqual([1, 2]);
  });

  it('keeps 64-bit integers exact', () => {
    const data = BigUint64Array.of(2n ** 64n - 1n);
    const answer = readEnvelope(make({}, [{ name: 'v', dtype: '<u8', shape: [1], data }]));
    expect(answer.arrays.v.values[0]).toBe(2n ** 64n - 1n);
  });

  it('undoes a shuffle, whatever the size', () => {
    for (const [dtype, array] of [
      ['<u2', Uint16Array.of(1, 2, 770)],
      ['<u4', Uint32Array.of(1, 2 ** 31, 77)],
      ['<i8', BigInt64Array.of(-1n, 5n, 2n ** 40n)]
    ] as const) {
      const size = array.BYTES_PER_ELEMENT;
      const plain = new Uint8Array(array.buffer);
      const planes = new Uint8Array(plain.length);
      for (let i = 0; i < plain.length; i++) {
        planes[(i % size) * array.length + Math.floor(i / size)] = plain[i];
      }
      expect(unshuffle(planes, size)).toEqual(plain);
      const answer = readEnvelope(make({}, [{ name: 'v', dtype, shape: [3], data: planes, encoding: 'shuffle' }]));
      expect([...answer.arrays.v.values]).toEqual([...array]);
    }
  });

  it('passes stored chunks on', () => {
    const chunk = { name: 'c', dtype: '<u4', shape: [100, 100], data: Uint8Array.of(1, 2, 3), encoding: 'stored', stored: 'bslz4' };
    const { stored } = readEnvelope(make({}, [chunk]));
    expect(stored.c.codec).toBe('bslz4');
    expect([...stored.c.data]).toEqual([1, 2, 3]);
  });

  it('widens half floats, and reads complex numbers as pairs', () => {
    const half = { name: 'h', dtype: '<f2', shape: [2], data: Uint16Array.of(0x3c00, 0xfc00) };
    const complex = { name: 'c', dtype: '<c8', shape: [1], data: Float32Array.of(1, -2) };
    const { arrays } = readEnvelope(make({}, [half, complex]));
    expect([...arrays.h.values]).toEqual([1, -Infinity]);
    expect([...arrays.c.values]).toEqual([1, -2]);
    expect(halfToFloat(0x0001)).toBeCloseTo(5.96e-8, 10);
  });

  it.each<[string, (head: IHead) => unknown]>([
    ['an offset beyond the payload', head => (entry(head).offset = 2 ** 40)],
    ['a negative offset', head => (entry(head).offset = -8)],
    ['a length beyond the payload', head => (entry(head).nbytes = 4096)],
    ['a shape that does not fit', head => (entry(head).shape = [2 ** 30, 2 ** 30])],
    ['a shape of fractions', head => (entry(head).shape = [0.5])],
    ['a payload without an end', head => (head.payload = 2 ** 50)],
    ['a payload that is text', head => (head.payload = '6')],
    ['an unknown type', head => (entry(head).dtype = '|O')],
    ['an unknown encoding', head => (entry(head).encoding = 'zip')],
    ['no list of arrays', head => (head.arrays = null)],
    ['an entry that is nothing', head => (head.arrays = [null as never])]
  ])('refuses %s', (_, change) => {
    expect(() => readEnvelope(make({}, [u16], change))).toThrow(/is broken|unknown type/);
  });

  it('refuses what is no envelope, or half of one', () => {
    expect(() => readEnvelope(new Uint8Array(100))).toThrow(EnvelopeError);
    const bytes = make({}, [u16]);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readEnvelope(bytes.slice(0, length))).toThrow(EnvelopeError);
    }
  });

  it('refuses a huge header without asking for memory', () => {
    const bytes = make({}, []);
    new DataView(bytes.buffer).setUint32(4, 0xffffffff, true);
    expect(() => new EnvelopeReader().push(bytes)).toThrow('too long');
  });
});

describe('a stream of envelopes', () => {
  it.each([1, 3, 8, 17, 1000])('in pieces of %i bytes', size => {
    const all = [make({ n: 0 }, [u16]), make({ n: 1 }, []), make({ n: 2 }, [u16, { ...u16, name: 'more' }])];
    const bytes = new Uint8Array(all.flatMap(part => [...part]));
    const reader = new EnvelopeReader();
    const found: { n: number }[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      reader.push<{ n: number }>(bytes.slice(at, at + size)).forEach(answer => found.push(answer.header));
    }
    reader.end();
    expect(found).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  });

  it('says when it was cut', () => {
    const reader = new EnvelopeReader();
    reader.push(make({}, [u16]).slice(0, 40));
    expect(() => reader.end()).toThrow('in the middle');
  });
});
