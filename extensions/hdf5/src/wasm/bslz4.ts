// Bitshuffle-LZ4 and LZ4 as HDF5's filters 32008 and 32004 store them, in AssemblyScript with SIMD. Memory is given out by the caller:
// see src/decode/decoder.ts. Chunks come from files and may be hostile: nothing is read or written outside of the ranges that are
// handed in, and every loop consumes input or produces output.

const OK: i32 = 0;
const TRUNCATED: i32 = 1;
const MALFORMED: i32 = 2;
const WRONG_SIZE: i32 = 3;

/** A copy of 16 bytes at a time may write that much too far: only where there is room. */
const WILD: usize = 16;

/** Decode one LZ4 block that must give exactly `outEnd - out` bytes. */
function lz4(source: usize, sourceEnd: usize, out: usize, outEnd: usize): i32 {
  const begin = out;
  while (source < sourceEnd) {
    const token: u32 = load<u8>(source++);
    let literals: usize = token >> 4;
    if (literals == 15) {
      let more: u32 = 255;
      while (more == 255) {
        if (source >= sourceEnd) return TRUNCATED;
        more = load<u8>(source++);
        literals += more;
        if (literals > 0x7fffffff) return MALFORMED;
      }
    }
    if (literals > sourceEnd - source) return TRUNCATED;
    if (literals > outEnd - out) return WRONG_SIZE;
    if (literals <= 16 && sourceEnd - source >= WILD && outEnd - out >= WILD) {
      v128.store(out, v128.load(source));
    } else {
      memory.copy(out, source, literals);
    }
    source += literals;
    out += literals;
    if (source == sourceEnd) return out == outEnd ? OK : WRONG_SIZE;
    if (sourceEnd - source < 2) return TRUNCATED;
    const offset: usize = load<u16>(source);
    source += 2;
    if (offset == 0 || offset > out - begin) return MALFORMED;
    let length: usize = (token & 15) + 4;
    if (length == 19) {
      let more: u32 = 255;
      while (more == 255) {
        if (source >= sourceEnd) return TRUNCATED;
        more = load<u8>(source++);
        length += more;
        if (length > 0x7fffffff) return MALFORMED;
      }
    }
    if (length > outEnd - out) return WRONG_SIZE;
    repeat(out, offset, length, outEnd);
    out += length;
  }
  return out == outEnd ? OK : WRONG_SIZE;
}

/** Copy `length` bytes from `offset` before `out`; the two may overlap, which repeats a pattern. */
function repeat(out: usize, offset: usize, length: usize, outEnd: usize): void {
  let from = out - offset;
  const end = out + length;
  if (offset == 1) {
    memory.fill(out, load<u8>(from), length);
    return;
  }
  if (offset >= WILD && outEnd - end >= WILD) {
    while (out < end) {
      v128.store(out, v128.load(from));
      out += 16;
      from += 16;
    }
    return;
  }
  if (offset >= 8 && outEnd - end >= WILD) {
    while (out < end) {
      store<u64>(out, load<u64>(from));
      out += 8;
      from += 8;
    }
    return;
  }
  while (out < end) {
    store<u8>(out++, load<u8>(from++));
  }
}

/** Transpose the 8 x 8 bits of each half: bit k of byte i becomes bit i of byte k. */
// @ts-ignore: decorator
@inline
function transposeBits(x: v128): v128 {
  let t = v128.and(v128.xor(x, v128.shr<u64>(x, 7)), i64x2.splat(0x00aa00aa00aa00aa));
  x = v128.xor(v128.xor(x, t), v128.shl<u64>(t, 7));
  t = v128.and(v128.xor(x, v128.shr<u64>(x, 14)), i64x2.splat(0x0000cccc0000cccc));
  x = v128.xor(v128.xor(x, t), v128.shl<u64>(t, 14));
  t = v128.and(v128.xor(x, v128.shr<u64>(x, 28)), i64x2.splat(0x00000000f0f0f0f0));
  return v128.xor(v128.xor(x, t), v128.shl<u64>(t, 28));
}

// @ts-ignore: decorator
@inline
function low(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
function high(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

// @ts-ignore: decorator
@inline
function low2(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: decorator
@inline
function high2(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

// @ts-ignore: decorator
@inline
function low4(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 0, 4, 1, 5);
}

// @ts-ignore: decorator
@inline
function high4(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 2, 6, 3, 7);
}

/** One byte of 128 elements: eight rows of 16 bytes, `stride` apart, each a bit of that byte. 128 bytes at `out`. */
function plane(rows: usize, stride: usize, out: usize): void {
  const r0 = v128.load(rows);
  const r1 = v128.load(rows + stride);
  const r2 = v128.load(rows + 2 * stride);
  const r3 = v128.load(rows + 3 * stride);
  const r4 = v128.load(rows + 4 * stride);
  const r5 = v128.load(rows + 5 * stride);
  const r6 = v128.load(rows + 6 * stride);
  const r7 = v128.load(rows + 7 * stride);
  // columns of eight bytes: three rounds of interleaving
  const a0 = low(r0, r1);
  const a1 = high(r0, r1);
  const a2 = low(r2, r3);
  const a3 = high(r2, r3);
  const a4 = low(r4, r5);
  const a5 = high(r4, r5);
  const a6 = low(r6, r7);
  const a7 = high(r6, r7);
  const b0 = low2(a0, a2);
  const b1 = high2(a0, a2);
  const b2 = low2(a1, a3);
  const b3 = high2(a1, a3);
  const b4 = low2(a4, a6);
  const b5 = high2(a4, a6);
  const b6 = low2(a5, a7);
  const b7 = high2(a5, a7);
  v128.store(out, transposeBits(low4(b0, b4)), 0);
  v128.store(out, transposeBits(high4(b0, b4)), 16);
  v128.store(out, transposeBits(low4(b1, b5)), 32);
  v128.store(out, transposeBits(high4(b1, b5)), 48);
  v128.store(out, transposeBits(low4(b2, b6)), 64);
  v128.store(out, transposeBits(high4(b2, b6)), 80);
  v128.store(out, transposeBits(low4(b3, b7)), 96);
  v128.store(out, transposeBits(high4(b3, b7)), 112);
}

/** Put 128 elements' bytes, which lie in planes of 128 bytes at `planes`, together at `out`. */
function join(planes: usize, out: usize, size: usize): void {
  if (size == 2) {
    for (let i: usize = 0; i < 128; i += 16) {
      const p0 = v128.load(planes + i);
      const p1 = v128.load(planes + 128 + i);
      v128.store(out, low(p0, p1), 0);
      v128.store(out, high(p0, p1), 16);
      out += 32;
    }
  } else if (size == 4) {
    for (let i: usize = 0; i < 128; i += 16) {
      const p0 = v128.load(planes + i);
      const p1 = v128.load(planes + 128 + i);
      const p2 = v128.load(planes + 256 + i);
      const p3 = v128.load(planes + 384 + i);
      const a = low(p0, p1);
      const b = high(p0, p1);
      const c = low(p2, p3);
      const d = high(p2, p3);
      v128.store(out, low2(a, c), 0);
      v128.store(out, high2(a, c), 16);
      v128.store(out, low2(b, d), 32);
      v128.store(out, high2(b, d), 48);
      out += 64;
    }
  } else {
    for (let i: usize = 0; i < 128; i++) {
      for (let byte: usize = 0; byte < size; byte++) {
        store<u8>(out++, load<u8>(planes + byte * 128 + i));
      }
    }
  }
}

/** Undo the shuffle of bits: `count` elements (a multiple of 8) of `size` bytes. `planes`: room for 128 * size bytes. */
function unshuffle(source: usize, out: usize, count: usize, size: usize, planes: usize): void {
  const stride = count >> 3;
  let column: usize = 0;
  for (; column + 16 <= stride; column += 16) {
    const target = out + column * 8 * size;
    for (let byte: usize = 0; byte < size; byte++) {
      plane(source + byte * 8 * stride + column, stride, size == 1 ? target : planes + byte * 128);
    }
    if (size != 1) {
      join(planes, target, size);
    }
  }
  for (; column < stride; column++) {
    const target = out + column * 8 * size;
    for (let byte: usize = 0; byte < size; byte++) {
      const rows = source + byte * 8 * stride + column;
      let bits: u64 = 0;
      for (let row: usize = 0; row < 8; row++) {
        bits |= (load<u8>(rows + row * stride) as u64) << (8 * row);
      }
      bits = i64x2.extract_lane(transposeBits(i64x2.splat(bits)), 0);
      for (let i: usize = 0; i < 8; i++) {
        store<u8>(target + i * size + byte, (bits >> (8 * i)) as u8);
      }
    }
  }
}

/**
 * Decode a bitshuffle-LZ4 chunk into exactly `outLength` bytes of elements of `size` bytes.
 * `scratch`: room for `scratchLength` bytes, of which one block and 128 elements are needed.
 */
export function decodeBslz4(
  source: usize,
  sourceLength: usize,
  out: usize,
  outLength: usize,
  size: usize,
  scratch: usize,
  scratchLength: usize
): i32 {
  if (sourceLength < 12) return TRUNCATED;
  if (size == 0 || size > 1024 || outLength % size != 0) return WRONG_SIZE;
  if (bswap<u64>(load<u64>(source)) != (outLength as u64)) return WRONG_SIZE;
  let block: usize = bswap<u32>(load<u32>(source + 8));
  if (block == 0) {
    block = max<usize>(((8192 / size) >> 3) << 3, 128) * size;
  }
  if (block % (8 * size) != 0 || block > scratchLength - 128 * size) return MALFORMED;
  const sourceEnd = source + sourceLength;
  const planes = scratch + block;
  source += 12;
  const count = outLength / size;
  let left = (count >> 3) << 3;
  while (left > 0) {
    const elements = min<usize>(left, block / size);
    if (sourceEnd - source < 4) return TRUNCATED;
    const length: usize = bswap<u32>(load<u32>(source));
    source += 4;
    if (length > sourceEnd - source) return TRUNCATED;
    const status = lz4(source, source + length, scratch, scratch + elements * size);
    if (status != OK) return status;
    unshuffle(scratch, out, elements, size, planes);
    source += length;
    out += elements * size;
    left -= elements;
  }
  const rest = (count & 7) * size;
  if (sourceEnd - source < rest) return TRUNCATED;
  memory.copy(out, source, rest);
  return OK;
}

/** Decode a chunk of HDF5's LZ4 filter: blocks with their sizes in front, stored as they are where LZ4 made them no smaller. */
export function decodeLz4(source: usize, sourceLength: usize, out: usize, outLength: usize): i32 {
  if (sourceLength < 12) return TRUNCATED;
  if (bswap<u64>(load<u64>(source)) != (outLength as u64)) return WRONG_SIZE;
  const block: usize = bswap<u32>(load<u32>(source + 8));
  if (block == 0 && outLength > 0) return MALFORMED;
  const sourceEnd = source + sourceLength;
  const outEnd = out + outLength;
  source += 12;
  while (out < outEnd) {
    if (sourceEnd - source < 4) return TRUNCATED;
    const length: usize = bswap<u32>(load<u32>(source));
    source += 4;
    if (length > sourceEnd - source) return TRUNCATED;
    const expected = min<usize>(block, outEnd - out);
    if (length == expected) {
      memory.copy(out, source, length);
    } else {
      const status = lz4(source, source + length, out, out + expected);
      if (status != OK) return status;
    }
    source += length;
    out += expected;
  }
  return OK;
}
