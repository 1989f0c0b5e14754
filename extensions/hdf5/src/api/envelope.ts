import type { IAnswer, IArray, IStoredChunk } from './client';
import { asValues, itemsize, unshuffle } from './dtype';

/** How answers travel; the other side is `panosc_hdf5/core/wire.py`, which describes the layout. */
export const MEDIA_TYPE = 'application/x-panosc-hdf5';

const MAGIC = 0x01354850; // "PH5\x01", little-endian
const PREFIX = 8;
/** More than any answer has: what is longer is no answer of ours, and is refused before memory is asked for. */
const MAX_HEADER = 64 * 1024 ** 2;
const MAX_PAYLOAD = 1024 ** 3;
const MAX_RANK = 32;
const CODECS = ['bslz4', 'lz4', 'raw'];

interface IEntry {
  name: string;
  dtype: string;
  shape: number[];
  offset: number;
  nbytes: number;
  encoding: 'raw' | 'shuffle' | 'stored';
  stored?: IStoredChunk['codec'];
}

/** The bytes are no envelope, or a broken one. */
export class EnvelopeError extends Error {
  constructor(what: string) {
    super(`The server's answer is broken: ${what}.`);
    this.name = 'EnvelopeError';
  }
}

interface IHead {
  header: Record<string, unknown>;
  entries: IEntry[];
  begin: number;
  end: number;
}

/** Read one envelope that fills `bytes`, or starts them. */
export function readEnvelope<H>(bytes: Uint8Array): IAnswer<H> {
  const head = readHead(bytes);
  if (!head || head.end > bytes.byteLength) {
    throw new EnvelopeError('it ends too early');
  }
  return readBody<H>(bytes, head);
}

/** Takes the pieces of a stream as they come, and gives whole envelopes back. */
export class EnvelopeReader {
  private _pieces: Uint8Array[] = [];
  private _length = 0;
  /** How many bytes must be here before looking again is worth it. */
  private _wanted = PREFIX;

  /** One more piece. @returns the envelopes that are complete now. */
  push<H>(piece: Uint8Array): IAnswer<H>[] {
    this._pieces.push(piece);
    this._length += piece.byteLength;
    const found: IAnswer<H>[] = [];
    while (this._length >= this._wanted) {
      const bytes = this._joined();
      const length = headLength(bytes);
      if (bytes.byteLength < length) {
        this._wanted = length;
        break;
      }
      const head = readHead(bytes) as IHead;
      if (bytes.byteLength < head.end) {
        this._wanted = head.end;
        break;
      }
      found.push(readBody<H>(bytes.subarray(0, head.end), head));
      this._keep(bytes.subarray(head.end));
    }
    return found;
  }

  /** The stream is over. @throws EnvelopeError if something is left. */
  end(): void {
    if (this._length) {
      throw new EnvelopeError('the connection ended in the middle of it');
    }
  }

  private _joined(): Uint8Array {
    if (this._pieces.length !== 1) {
      const bytes = new Uint8Array(this._length);
      let at = 0;
      for (const piece of this._pieces) {
        bytes.set(piece, at);
        at += piece.byteLength;
      }
      this._pieces = [bytes];
    }
    return this._pieces[0];
  }

  private _keep(rest: Uint8Array): void {
    this._pieces = rest.byteLength ? [rest] : [];
    this._length = rest.byteLength;
    this._wanted = PREFIX;
  }
}

/** Where the header of the envelope ends; needs the first 8 bytes. */
function headLength(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) {
    throw new EnvelopeError('it does not start like one');
  }
  const length = view.getUint32(4, true);
  if (length > MAX_HEADER) {
    throw new EnvelopeError('its header is too long');
  }
  return PREFIX + length;
}

function readHead(bytes: Uint8Array): IHead | null {
  if (bytes.byteLength < PREFIX) {
    return null;
  }
  const begin = headLength(bytes);
  if (bytes.byteLength < begin) {
    return null;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(PREFIX, begin)));
  } catch {
    throw new EnvelopeError('its header is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new EnvelopeError('its header is no object');
  }
  const { arrays, payload, ...header } = parsed as Record<string, unknown>;
  if (!isCount(payload, MAX_PAYLOAD) || !Array.isArray(arrays)) {
    throw new EnvelopeError('its header lacks its lengths');
  }
  return { header, entries: arrays.map(entry => checked(entry, payload)), begin, end: begin + payload };
}

function isCount(value: unknown, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

function checked(raw: unknown, payload: number): IEntry {
  const entry = raw as IEntry;
  const sound =
    typeof entry === 'object' &&
    entry !== null &&
    typeof entry.name === 'string' &&
    typeof entry.dtype === 'string' &&
    Array.isArray(entry.shape) &&
    entry.shape.length <= MAX_RANK &&
    entry.shape.every(length => isCount(length, Number.MAX_SAFE_INTEGER)) &&
    isCount(entry.offset, payload) &&
    isCount(entry.nbytes, payload - entry.offset);
  if (!sound) {
    throw new EnvelopeError('an array reaches beyond it');
  }
  const known =
    entry.encoding === 'stored'
      ? CODECS.includes(entry.stored as string)
      : entry.encoding === 'raw' || entry.encoding === 'shuffle';
  if (!known) {
    throw new EnvelopeError(`nobody here knows the encoding of its array ${entry.name.slice(0, 40)}`);
  }
  if (entry.encoding !== 'stored') {
    const count = entry.shape.reduce((product, length) => product * length, 1);
    if (count * itemsize(entry.dtype) !== entry.nbytes) {
      throw new EnvelopeError(`the length of its array ${entry.name.slice(0, 40)} does not fit its shape`);
    }
  }
  return entry;
}

function readBody<H>(bytes: Uint8Array, head: IHead): IAnswer<H> {
  const arrays: Record<string, IArray> = Object.create(null);
  const stored: Record<string, IStoredChunk> = Object.create(null);
  for (const entry of head.entries) {
    const { name, dtype, shape } = entry;
    const begin = head.begin + entry.offset;
    const data = bytes.subarray(begin, begin + entry.nbytes);
    if (entry.encoding === 'stored') {
      stored[name] = { data, dtype, shape, codec: entry.stored as IStoredChunk['codec'] };
    } else {
      const plain = entry.encoding === 'shuffle' ? unshuffle(data, itemsize(dtype)) : data;
      arrays[name] = { dtype, shape, values: asValues(plain, dtype) };
    }
  }
  return { header: head.header as H, arrays, stored, nbytes: head.end };
}
