import { describe, expect, it } from 'vitest';
import type { ITraceHeader } from '../../api/types';
import { nextFrame } from '../ComparePanel';
import { stackDimensions } from '../context';
import { columnsToCsv, fileName, toCsv, toNpy } from '../files';
import { fillIn } from '../measure';
import { plottedHistogram } from '../plotted';
import { unfixed } from '../RegionPanel';
import { dragRegion, dragSegment, gripRegion, gripSegment, insideSegment, turnWindow, wholeRegion } from '../shapes';
import { gradientStops } from '../snapshot';

const image = { height: 100, width: 200 };

describe('regions', () => {
  it('are whole pixels within the image', () => {
    expect(wholeRegion([10.4, 5.2, -3, 250], image)).toEqual([5, 11, 0, 200]);
    expect(wholeRegion([300, 300, 20, 20], image)).toEqual([99, 100, 20, 21]);
  });

  it('are held by their edges, corners and inside', () => {
    const region: [number, number, number, number] = [20, 40, 50, 90];
    expect(gripRegion(region, { y: 30, x: 70 }, 2)).toEqual({ top: false, bottom: false, left: false, right: false });
    expect(gripRegion(region, { y: 41, x: 89 }, 2)).toEqual({ top: false, bottom: true, left: false, right: true });
    expect(gripRegion(region, { y: 50, x: 70 }, 2)).toBeNull();
    expect(gripRegion([20, 21, 50, 51], { y: 20.8, x: 50.1 }, 5)).toEqual({ top: false, bottom: true, left: true, right: false });
  });

  it('are moved and resized, never out of the image', () => {
    const inside = { top: false, bottom: false, left: false, right: false };
    expect(dragRegion([20, 40, 50, 90], inside, { y: 0, x: 0 }, { y: 5.2, x: -7 }, image)).toEqual([25, 45, 43, 83]);
    expect(dragRegion([20, 40, 50, 90], inside, { y: 0, x: 0 }, { y: 500, x: -500 }, image)).toEqual([80, 100, 0, 40]);
    expect(dragRegion([20, 40, 50, 90], { ...inside, right: true }, { y: 0, x: 90 }, { y: 0, x: 60 }, image)).toEqual([20, 40, 50, 60]);
    expect(dragRegion([20, 40, 50, 90], { ...inside, right: true }, { y: 0, x: 90 }, { y: 0, x: 30 }, image)).toEqual([20, 40, 30, 50]);
  });

  it('are turned for a server that knows the file only', () => {
    expect(turnWindow([1, 2, 3, 4], true)).toEqual([3, 4, 1, 2]);
    expect(turnWindow([1, 2, 3, 4], false)).toEqual([1, 2, 3, 4]);
  });
});

describe('lines', () => {
  it('are held by their ends and along them', () => {
    expect(gripSegment([10, 10, 50, 50], { y: 10, x: 11 }, 2)).toBe('start');
    expect(gripSegment([10, 10, 50, 50], { y: 50, x: 49 }, 2)).toBe('end');
    expect(gripSegment([10, 10, 50, 50], { y: 30, x: 31 }, 2)).toBe('whole');
    expect(gripSegment([10, 10, 50, 50], { y: 10, x: 50 }, 2)).toBeNull();
  });

  it('are moved', () => {
    expect(dragSegment([10, 10, 50, 50], 'end', { y: 50, x: 50 }, { y: 60.04, x: 500 }, image)).toEqual([10, 10, 60, 200]);
    expect(dragSegment([10, 10, 50, 50], 'whole', { y: 0, x: 0 }, { y: 1, x: 2 }, image)).toEqual([11, 12, 51, 52]);
    expect(insideSegment([-5, 10.06, 200, 10], image)).toEqual([0, 10.1, 100, 10]);
  });
});

describe('traces', () => {
  const part = (values: number[], done: number, length = 6) => ({
    header: { h5path: '/d', axis: 0, length, done, complete: done === length } as ITraceHeader,
    arrays: { sum: { dtype: '<f8', shape: [values.length], values: Float64Array.from(values) } },
    stored: {},
    nbytes: 0
  });

  it('fill in, whether a part is all so far or only what is new', () => {
    let arrays = fillIn({}, part([1, 2], 2));
    expect([...arrays.sum]).toEqual([1, 2, NaN, NaN, NaN, NaN]);
    arrays = fillIn(arrays, part([3, 4], 4));
    expect([...arrays.sum]).toEqual([1, 2, 3, 4, NaN, NaN]);
    arrays = fillIn(arrays, part([1, 2, 3, 4, 5, 6], 6));
    expect([...arrays.sum]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...fillIn({}, part([1, 2, 0, 0, 0, 0], 2)).sum]).toEqual([1, 2, NaN, NaN, NaN, NaN]);
  });

  it('go along the dimensions that are not shown', () => {
    expect(stackDimensions({ shape: [1, 20, 30, 40], yDimension: 2, xDimension: 3 })).toEqual([1]);
    expect(unfixed('3, 4, :, :', 1, 4)).toBe('3, :, :, :');
    expect(nextFrame('3, :, :')).toBe('4, :, :');
    expect(nextFrame(':, :')).toBe(':, :');
  });

  it('histograms are steps', () => {
    const { abscissas, ordinates, read } = plottedHistogram([5, 0], [0, 1, 2], 'red');
    expect([...abscissas]).toEqual([0, 1, 1, 2]);
    expect([...ordinates]).toEqual([5, 5, 0.5, 0.5]);
    expect([...(read.x as Float64Array)]).toEqual([0.5, 1.5]);
  });
});

describe('files', () => {
  it('of NumPy have an aligned header', () => {
    const file = toNpy({ dtype: '<u2', shape: [2, 3], values: Uint16Array.from([1, 2, 3, 4, 5, 6]) });
    const length = file[8] + 256 * file[9];
    expect((10 + length) % 64).toBe(0);
    const header = new TextDecoder().decode(file.slice(10, 10 + length));
    expect(header).toMatch(/^\{'descr': '<u2', 'fortran_order': False, 'shape': \(2, 3\), \} *\n$/);
    expect([...new Uint16Array(file.slice(10 + length).buffer)]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(new TextDecoder().decode(toNpy({ dtype: '<f4', shape: [1], values: new Float32Array(1) }))).toContain("'shape': (1,)");
  });

  it('of text have rows and columns', () => {
    expect(toCsv(BigInt64Array.from([1n, 2n ** 62n, 3n, 4n]), 2)).toBe('1,4611686018427387904\n3,4\n');
    expect(columnsToCsv([{ name: 'a, "b"', values: [1, 2] }, { name: 'c', values: [3] }])).toBe('"a, ""b""",c\n1,3\n2,\n');
    expect(fileName('/entry/data/image', '3, :, 1:5', 'npy')).toBe('data_image_3_-_1-5.npy');
  });

  it('of pictures have the colour bar', () => {
    expect(gradientStops('linear-gradient(to top, rgb(1, 2, 3), rgb(4, 5, 6))')).toEqual({
      direction: 'top',
      colours: ['rgb(1, 2, 3)', 'rgb(4, 5, 6)']
    });
    expect(gradientStops('none')).toBeUndefined();
  });
});
