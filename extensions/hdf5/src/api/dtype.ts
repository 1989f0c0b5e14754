import type { Values } from './client';

type Constructor = {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, offset: number, length: number): Values;
};

interface IDtype {
  /** Bytes of one element as it travels. */
  size: number;
  /** Numbers in one element: 2 for complex ones. */
  parts: number;
  make: Constructor | 'half';
}

const PLAIN: Record<string, Constructor> = {
  i1: Int8Array,
  u1: Uint8Array,
  b1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
  i8: BigInt64Array,
  u8: BigUint64Array,
  f4: Float32Array,
  f8: Float64Array
};

/**
 * What numpy's string form of a type means here.
 *
 * Half floats become single ones (browsers lack the array), complex numbers two floats each.
 * @throws Error for big-endian and unknown types: the server never sends them.
 */
export function parseDtype(text: string): IDtype {
  const match = /^([<|=])([a-z])(\d{1,2})$/.exec(text);
  const plain = match && PLAIN[match[2] + match[3]];
  if (plain) {
    return { size: plain.BYTES_PER_ELEMENT, parts: 1, make: plain };
  }
  switch (match && match[2] + match[3]) {
    case 'f2':
      return { size: 2, parts: 1, make: 'half' };
    case 'c8':
      return { size: 8, parts: 2, make: Float32Array };
    case 'c16':
      return { size: 16, parts: 2, make: Float64Array };
    default:
      throw new Error(`The answer holds values of an unknown type, ${JSON.stringify(text.slice(0, 40))}.`);
  }
}

/** Bytes of one element of this type. */
export function itemsize(dtype: string): number {
  return parseDtype(dtype).size;
}

/** Half precision bits as a number. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) {
    return fraction ? NaN : sign * Infinity;
  }
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
}

/** View bytes as values, without a copy where their address allows it. */
export function asValues(bytes: Uint8Array, dtype: string): Values {
  const { make, size, parts } = parseDtype(dtype);
  const count = Math.floor(bytes.byteLength / size);
  const unit = size / parts;
  const aligned = bytes.byteOffset % unit === 0 && bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice();
  const buffer = aligned.buffer as ArrayBuffer;
  if (make === 'half') {
    return Float32Array.from(new Uint16Array(buffer, aligned.byteOffset, count), halfToFloat);
  }
  return new make(buffer, aligned.byteOffset, count * parts);
}

/** Undo a byte shuffle: from bytes of equal significance together, back to whole numbers. */
export function unshuffle(planes: Uint8Array, size: number): Uint8Array {
  const count = Math.floor(planes.byteLength / size);
  const bytes = new Uint8Array(count * size);
  if (size === 2) {
    for (let i = 0; i < count; i++) {
      bytes[2 * i] = planes[i];
      bytes[2 * i + 1] = planes[count + i];
    }
    return bytes;
  }
  for (let plane = 0; plane < size; plane++) {
    const begin = plane * count;
    for (let i = 0, at = plane; i < count; i++, at += size) {
      bytes[at] = planes[begin + i];
    }
  }
  return bytes;
}
