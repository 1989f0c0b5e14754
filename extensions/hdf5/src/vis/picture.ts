import type { IArray, Values } from '../api/client';

/** What a texture is made of. NaN: no value there (masked, saturated, or NaN as stored). */
export interface IPicture {
  data: Float32Array;
  height: number;
  width: number;
}

/** An answer's array as a picture; `fill` is the stored value that means "no value". */
export function toPicture(array: IArray, fill: number | null): IPicture {
  const [height, width] = array.shape;
  return { data: toFloats(array.values, fill), height, width };
}

/** As floats, with `fill` as NaN. The array itself where it is floats already. */
export function toFloats(values: Values, fill: number | null): Float32Array {
  if (values instanceof Float32Array) {
    if (fill !== null) {
      replace(values, Math.fround(fill));
    }
    return values;
  }
  const floats = new Float32Array(values.length);
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    const none = fill === null ? null : BigInt(fill);
    for (let i = 0; i < floats.length; i++) {
      floats[i] = values[i] === none ? NaN : Number(values[i]);
    }
    return floats;
  }
  floats.set(values);
  if (fill !== null) {
    // compared before the conversion: two integers above 2^24 may be one float
    for (let i = 0; i < floats.length; i++) {
      if (values[i] === fill) {
        floats[i] = NaN;
      }
    }
  }
  return floats;
}

function replace(floats: Float32Array, fill: number): void {
  for (let i = 0; i < floats.length; i++) {
    if (floats[i] === fill) {
      floats[i] = NaN;
    }
  }
}

/** Rows as columns: for images whose y is the later dimension. */
export function transpose(picture: IPicture): IPicture {
  const { data, height, width } = picture;
  const turned = new Float32Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      turned[x * height + y] = data[y * width + x];
    }
  }
  return { data: turned, height: width, width: height };
}

/** The smallest and the largest value, and the smallest above zero; null where there is none. */
export function bounds(data: ArrayLike<number>): { min: number | null; max: number | null; positive: number | null } {
  let min = Infinity;
  let max = -Infinity;
  let positive = Infinity;
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    if (value < min && value !== -Infinity) {
      min = value;
    }
    if (value > max && value !== Infinity) {
      max = value;
    }
    if (value > 0 && value < positive) {
      positive = value;
    }
  }
  return {
    min: min === Infinity ? null : min,
    max: max === -Infinity ? null : max,
    positive: positive === Infinity ? null : positive
  };
}
