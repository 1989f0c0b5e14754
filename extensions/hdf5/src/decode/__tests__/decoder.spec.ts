import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeChunk } from '..';
import { makeDecoder, type IDecoder } from '../decoder';
import { BSLZ4_WASM } from '../module';

interface IVector {
  name: string;
  codec: 'bslz4' | 'lz4';
  dtype: string;
  shape: number[];
  kind: string;
}

/** The project's own Python, which has hdf5plugin; else the one on the path. */
function python(): string {
  const own = join(__dirname, '../../../../../.venv/bin/python');
  return process.env.PYTHON ?? (existsSync(own) ? own : 'python3');
}

let folder: string;
let vectors: IVector[];
let decoder: IDecoder;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectors-'));
  execFileSync(python(), [join(__dirname, 'make_vectors.py'), folder]);
  vectors = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'));
  decoder = makeDecoder(Uint8Array.from(Buffer.from(BSLZ4_WASM, 'base64')));
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read({ name, dtype, shape }: IVector) {
  const chunk = new Uint8Array(readFileSync(join(folder, `${name}.chunk`)));
  const expected = new Uint8Array(readFileSync(join(folder, `${name}.bytes`)));
  const itemsize = Number(dtype.slice(2));
  return { chunk, expected, itemsize, nbytes: shape.reduce((a, b) => a * b, itemsize) };
}

/** A small generator of numbers that are the same in every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('the decoder', () => {
  it('decodes what hdf5plugin wrote, byte for byte', () => {
    expect(vectors.length).toBeGreaterThan(200);
    for (const vector of vectors) {
      const { chunk, expected, itemsize, nbytes } = read(vector);
      const decoded = new Uint8Array(decoder.decode(chunk, vector.codec, nbytes, itemsize));
      expect(Buffer.compare(Buffer.from(decoded), Buffer.from(expected)), JSON.stringify(vector)).toBe(0);
    }
  });

  it('refuses chunks of another size, and truncated ones', () => {
    for (const vector of vectors.filter((_, i) => i % 7 === 0)) {
      const { chunk, itemsize, nbytes } = read(vector);
      expect(() => decoder.decode(chunk, vector.codec, nbytes + itemsize, itemsize)).toThrow(/can't be decoded/);
      for (const cut of [0, 5, 12, chunk.length - 1]) {
        expect(() => decoder.decode(chunk.slice(0, cut), vector.codec, nbytes, itemsize)).toThrow(/can't be decoded/);
      }
    }
    expect(() => decoder.decode(new Uint8Array(20), 'bslz4', 2 ** 40, 4)).toThrow(/too large/);
  });

  it('survives damaged chunks: an answer or an error, in time, and right afterwards', () => {
    const random = generator(7);
    const sample = vectors.filter(v => v.shape[0] !== 1).filter((_, i) => i % 5 === 0);
    const begin = performance.now();
    for (let round = 0; round < 4000; round++) {
      const vector = sample[Math.floor(random() * sample.length)];
      const { chunk, itemsize, nbytes } = read(vector);
      const damage = 1 + Math.floor(random() * 8);
      for (let i = 0; i < damage; i++) {
        chunk[Math.floor(random() * Math.min(chunk.length, i % 2 ? 64 : chunk.length))] = Math.floor(random() * 256);
      }
      try {
        expect(decoder.decode(chunk, vector.codec, nbytes, itemsize).byteLength).toBe(nbytes);
      } catch (error) {
        expect(String(error)).toMatch(/can't be decoded/);
      }
    }
    expect(performance.now() - begin).toBeLessThan(30_000);
    const { chunk, expected, itemsize, nbytes } = read(vectors[0]);
    expect(new Uint8Array(decoder.decode(chunk, vectors[0].codec, nbytes, itemsize))).toEqual(expected);
  }, 60_000);

  it('gives typed arrays, big-endian ones swapped', async () => {
    const vector = vectors.find(v => v.dtype === '>u4' && v.kind === 'ramp' && v.codec === 'bslz4')!;
    const { chunk } = read(vector);
    const array = await decodeChunk({ data: chunk, dtype: vector.dtype, shape: vector.shape, codec: 'bslz4' });
    expect(array.dtype).toBe('<u4');
    expect(array.values).toBeInstanceOf(Uint32Array);
    expect(Array.from(array.values.slice(0, 102) as Uint32Array)).toEqual(Array.from({ length: Math.min(102, array.values.length) }, (_, i) => i % 100));
    await expect(decodeChunk({ data: chunk, dtype: '|V3', shape: [1], codec: 'bslz4' })).rejects.toThrow(/can't be decoded/);
  });
});
