import type { IPicture } from '../picture';

/** One minus the other, pixel by pixel; no value where either has none. Undefined where they are of different sizes. */
export function difference(one: IPicture, other: IPicture): IPicture | undefined {
  if (one.height !== other.height || one.width !== other.width) {
    return undefined;
  }
  const { data, height, width } = one;
  return { data: data.map((value, i) => value - other.data[i]), height, width };
}

/** The first image up to a share of the width, the other from there. */
export function swiped(one: IPicture, other: IPicture, share: number): IPicture | undefined {
  if (one.height !== other.height || one.width !== other.width) {
    return undefined;
  }
  const { height, width } = one;
  const border = Math.round(Math.min(Math.max(share, 0), 1) * width);
  const data = one.data.slice();
  for (let y = 0; y < height; y++) {
    const begin = y * width;
    data.set(other.data.subarray(begin + border, begin + width), begin + border);
  }
  return { data, height, width };
}

/** A range around zero that leaves out the most extreme hundredth. */
export function symmetricDomain({ data }: IPicture): [number, number] {
  const sizes = data.filter(Number.isFinite).map(Math.abs).sort();
  const reach = sizes.length ? sizes[Math.floor((sizes.length - 1) * 0.99)] || sizes[sizes.length - 1] : 0;
  return reach > 0 ? [-reach, reach] : [-1, 1];
}
