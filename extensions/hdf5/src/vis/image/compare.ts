import type { IPicture } from '../picture';
import { resample } from './resample';

/** A picture, and how many pixels of the image one of its pixels is. */
export interface IReduced {
  picture: IPicture;
  factor: number;
}

/** Two pictures of equally large images on the coarser one's pixels. Undefined where the images differ in size. */
export function matched(one: IReduced, other: IReduced): { one: IPicture; other: IPicture; factor: number } | undefined {
  const factor = Math.max(one.factor, other.factor);
  const [a, b] = [one, other].map(reduced => onPixels(reduced, factor));
  return a.height === b.height && a.width === b.width ? { one: a, other: b, factor } : undefined;
}

function onPixels({ picture, factor }: IReduced, target: number): IPicture {
  if (factor === target) {
    return picture;
  }
  const share = factor / target;
  const edges = (count: number) => Float64Array.from({ length: count + 1 }, (_, i) => i * share);
  const { height, width } = picture;
  return resample(picture, edges(height), edges(width), Math.ceil(height * share - 1e-9), Math.ceil(width * share - 1e-9));
}

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
