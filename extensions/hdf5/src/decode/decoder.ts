import type { IStoredChunk } from '../api/client';

export interface IDecoder {
  /** Decode a chunk into `nbytes` bytes. Throws where the chunk is not what it says. */
  decode(chunk: Uint8Array, codec: IStoredChunk['codec'], nbytes: number, itemsize: number): ArrayBuffer;
}

/**
 * A decoder of its own memory. This function is also sent as text into a web worker: it must not refer to anything outside of itself.
 */
export function makeDecoder(wasm: Uint8Array): IDecoder {
  type Decode = (...numbers: number[]) => number;
  const PAGE = 65536;
  const LONGEST = 2 ** 30;
  // room for one block: HDF5's filter makes them of 8 kB, and its users of a few hundred at most
  const SCRATCH = 2 ** 21;
  const MESSAGES = ['', 'it ends too early', 'it is damaged', 'it has another size than its data set says'];
  const memory = new WebAssembly.Memory({ initial: 64 });
  const module = new WebAssembly.Module(wasm as BufferSource);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const decodeBslz4 = exports.decodeBslz4 as Decode;
  const decodeLz4 = exports.decodeLz4 as Decode;
  // what the module itself needs lies at the beginning
  const BASE = PAGE;
  const align = (value: number): number => (value + 15) & ~15;

  const decode: IDecoder['decode'] = (chunk, codec, nbytes, itemsize) => {
    if (!Number.isInteger(nbytes) || nbytes < 0 || nbytes + chunk.length > LONGEST) {
      throw new Error('The chunk is too large to be decoded here.');
    }
    if (codec === 'raw') {
      if (chunk.length !== nbytes) {
        throw new Error(`The chunk can't be decoded: ${MESSAGES[3]}.`);
      }
      return chunk.slice().buffer as ArrayBuffer;
    }
    const source = BASE + SCRATCH;
    const out = align(source + chunk.length + 16);
    const missing = Math.ceil((out + nbytes + 16 - memory.buffer.byteLength) / PAGE);
    if (missing > 0) {
      memory.grow(missing);
    }
    new Uint8Array(memory.buffer, source, chunk.length).set(chunk);
    const status =
      codec === 'bslz4'
        ? decodeBslz4(source, chunk.length, out, nbytes, itemsize, BASE, SCRATCH)
        : decodeLz4(source, chunk.length, out, nbytes);
    if (status !== 0) {
      throw new Error(`The chunk can't be decoded: ${MESSAGES[status] ?? 'it is damaged'}.`);
    }
    return memory.buffer.slice(out, out + nbytes);
  };
  return { decode };
}
