import { describe, expect, it } from 'vitest';
import type { IAxis, IStats } from '../../api/types';
import { axisScale, coordinateAt, indexScale, isRegular, pixelAt } from '../axes';
import { domainOf, drawable, scaleOf } from '../domain';
import { formatCount, formatTick, formatValue, withUnits } from '../format';
import { difference, matched, swiped, symmetricDomain } from '../image/compare';
import { blockOf, scattering } from '../image/cursor';
import { gridEdges, pool, resample } from '../image/resample';
import { dumpLine } from '../other/RawView';
import { bounds, toFloats, transpose } from '../picture';
import { chooseDimensions, formatSlice, parseSlice, rangeOf, shownDimensions, sliceFor } from '../slices';
import { blocksIn, contentSize, LONGEST, scrollTo, spanAt } from '../table/grid';

describe('slices', () => {
  it('are parsed with what is missing, dots and brackets', () => {
    expect(parseSlice('3', 3)).toEqual([3, ':', ':']);
    expect(parseSlice('[..., 5]', 3)).toEqual([':', ':', 5]);
    expect(parseSlice('1, ..., 2', 4)).toEqual([1, ':', ':', 2]);
    expect(parseSlice(undefined, 2)).toEqual([':', ':']);
    expect(parseSlice('1,2,3,4', 2)).toEqual([1, 2]);
    expect(formatSlice([3, ':', '1:5'])).toBe('3, :, 1:5');
  });

  it('choose the dimensions that are shown', () => {
    expect(chooseDimensions([10, 20, 30], 2, undefined, undefined)).toEqual([1, 2]);
    expect(chooseDimensions([10, 20, 30], 2, ':, 4, :', undefined)).toEqual([0, 2]);
    expect(chooseDimensions([10, 20, 30], 2, undefined, [2, 0])).toEqual([2, 0]);
    expect(chooseDimensions([10, 20, 30], 2, undefined, [2, 2])).toEqual([1, 2]);
    expect(chooseDimensions([10], 2, undefined, undefined)).toEqual([0]);
    expect(shownDimensions([1, ':', '2:4'])).toEqual([1, 2]);
  });

  it('stay within the data set', () => {
    expect(formatSlice(sliceFor([10, 20, 30], [1, 2], '99, :, :'))).toBe('9, :, :');
    expect(formatSlice(sliceFor([10, 20, 30], [1, 2], '-1, :, :'))).toBe('9, :, :');
    expect(formatSlice(sliceFor([10, 20, 30], [0, 2], '3, :, :'))).toBe(':, 0, :');
    expect(formatSlice(sliceFor([10, 20, 30], [1, 2], undefined))).toBe('0, :, :');
    expect(rangeOf('5:15:2', 100)).toEqual({ start: 5, step: 2, count: 5 });
    expect(rangeOf(':', 100)).toEqual({ start: 0, step: 1, count: 100 });
    expect(rangeOf('-10:', 100)).toEqual({ start: 90, step: 1, count: 10 });
  });
});

describe('numbers', () => {
  it('are written as people write them', () => {
    expect(formatTick(1500)).toBe('1500');
    expect(formatTick(0.1 + 0.2)).toBe('0.3');
    expect(formatTick(-2.5)).toBe('−2.5');
    expect(formatTick(1e-7)).toBe('10⁻⁷');
    expect(formatTick(2.5e12)).toBe('2.5·10¹²');
    expect(formatTick(-1e9)).toBe('−10⁹');
    expect(formatTick(NaN)).toBe('NaN');
    expect(formatTick(-Infinity)).toBe('−∞');
    expect(formatValue(4294967295)).toBe('4294967295');
    expect(formatValue('18446744073709551615')).toBe('18446744073709551615');
    expect(formatValue(1n << 63n)).toBe('9223372036854775808');
    expect(formatValue(null)).toBe('–');
    expect(formatCount(1234567)).toBe('1\u2009234\u2009567');
    expect(withUnits('energy', 'keV')).toBe('energy (keV)');
    expect(withUnits('energy')).toBe('energy');
    expect(withUnits('Time-of-Flight [microseconds]', 'microseconds')).toBe('Time-of-Flight [microseconds]');
  });
});

const stats = { min: 0, max: 4000, positive_min: 1 } as IStats;

describe('the colour range', () => {
  it('is what the server suggests, unless one was chosen', () => {
    const header = { stats, suggested: { scale: 'log' as const, domain: [1, 50] as [number, number] } };
    expect(scaleOf(header, undefined)).toBe('log');
    expect(scaleOf(header, 'linear')).toBe('linear');
    expect(domainOf(header, undefined, 'log')).toEqual([1, 50]);
    expect(domainOf(header, [3, 7], 'log')).toEqual([3, 7]);
  });

  it('can always be drawn', () => {
    expect(drawable([7, 3], 'linear', null)).toEqual([3, 7]);
    expect(drawable([0, 100], 'log', 0.5)).toEqual([0.5, 100]);
    expect(drawable([0, 100], 'log', null)).toEqual([0.1, 100]);
    expect(drawable([-5, -1], 'log', null)).toEqual([0.1, 1]);
    expect(drawable([5, 5], 'linear', null)).toEqual([5, 10]);
    expect(drawable([0, 0], 'linear', null)).toEqual([0, 1]);
    expect(drawable([5, 5], 'log', 5)).toEqual([0.5, 5]);
    expect(drawable([-4, 9], 'sqrt', null)).toEqual([0, 9]);
    expect(drawable([NaN, Infinity], 'linear', null)).toEqual([0, 1]);
  });
});

const axis = (over: Partial<IAxis> = {}): IAxis => ({ label: 'e', dimension: 0, has_values: true, scale: 'linear', ...over });

describe('axes', () => {
  it('have edges between the values, or the values as edges', () => {
    expect([...axisScale(axis(), [1, 2, 3], 3).edges]).toEqual([0.5, 1.5, 2.5, 3.5]);
    expect([...axisScale(axis(), [1, 2, 3, 4], 3).edges]).toEqual([1, 2, 3, 4]);
    expect([...axisScale(axis(), [3, 2, 1], 3).edges]).toEqual([3.5, 2.5, 1.5, 0.5]);
    expect([...axisScale(axis(), [7], 1).edges]).toEqual([6.5, 7.5]);
  });

  it('are pixel numbers where the values are none that order the pixels', () => {
    for (const values of [[1, 1, 2], [1, 3, 2], [1, NaN, 2], [1, 2], undefined]) {
      expect(axisScale(axis(), values, 3).index).toBe(true);
    }
  });

  it('tell equal pixels from unequal ones', () => {
    expect(isRegular([0, 1, 2.01, 3], false)).toBe(true);
    expect(isRegular([1, 10, 100, 1000], false)).toBe(false);
    expect(isRegular([1, 10, 100, 1000], true)).toBe(true);
    expect(axisScale(axis({ scale: 'log' }), [1, 10, 100], 3).log).toBe(true);
    expect(axisScale(axis({ scale: 'log' }), [-1, 10, 100], 3).log).toBe(false);
  });

  it('lead from coordinates to pixels and back', () => {
    for (const values of [[1, 2, 4, 8, 16], [16, 8, 4, 2, 1], [0, 1, 2, 3, 4]]) {
      const scale = axisScale(axis(), values, 5);
      for (const pixel of [0, 0.25, 1, 2.5, 4.75, 5]) {
        expect(pixelAt(scale, coordinateAt(scale, pixel))).toBeCloseTo(pixel, 9);
      }
    }
    const log = axisScale(axis({ scale: 'log' }), [1, 10, 100], 3);
    expect(pixelAt(log, 1)).toBeCloseTo(0.5, 9);
    expect(coordinateAt(log, 1.5)).toBeCloseTo(10, 9);
    expect(pixelAt(indexScale(all(10), ''), 3.25)).toBe(3.25);
    expect(pixelAt(indexScale({ start: 100, step: 2, count: 5 }, ''), 103)).toBe(1.5);
    expect([...axisScale(axis(), [0, 1, 2, 3, 4, 5], 6, { start: 1, step: 2, count: 2 }).values!].map(Number)).toEqual([1, 3]);
  });
});

describe('pictures', () => {
  it('have no value where the fill value is, told before the numbers become floats', () => {
    const big = Uint32Array.from([1, 4294967295, 4294967294, 16777217]);
    expect([...toFloats(big, 4294967295)]).toEqual([1, NaN, 4294967296, 16777216]);
    expect([...toFloats(BigUint64Array.from([1n, 2n ** 64n - 1n]), 2 ** 64)]).toEqual([1, 2 ** 64]);
    expect([...toFloats(Float32Array.from([1, NaN, 3]), 3)]).toEqual([1, NaN, NaN]);
    expect([...toFloats(Uint8Array.from([1, 2]), null)]).toEqual([1, 2]);
  });

  it('are turned', () => {
    expect(transpose({ data: Float32Array.from([1, 2, 3, 4, 5, 6]), height: 2, width: 3 })).toEqual({
      data: Float32Array.from([1, 4, 2, 5, 3, 6]),
      height: 3,
      width: 2
    });
  });

  it('have bounds without what is no number', () => {
    expect(bounds([NaN, -2, 0, 5, Infinity])).toEqual({ min: -2, max: 5, positive: 5 });
    expect(bounds([NaN])).toEqual({ min: null, max: null, positive: null });
  });

  it('keep every spot when they are drawn on fewer pixels', () => {
    const [height, width] = [101, 77];
    for (let spot = 0; spot < height * width; spot += 13) {
      const data = new Float32Array(height * width);
      data[spot] = 9;
      const { positions: rows } = gridEdges(Float64Array.from({ length: height + 1 }, (_, i) => i), false, 40);
      const { positions: columns } = gridEdges(Float64Array.from({ length: width + 1 }, (_, i) => i), false, 33);
      const small = resample({ data, height, width }, rows, columns, 40, 33);
      expect(Math.max(...small.data)).toBe(9);
    }
  });

  it('are pooled in blocks of one size, the last ones beyond the edge', () => {
    const picture = { data: Float32Array.from({ length: 35 }, (_, i) => i), height: 5, width: 7 };
    expect(pool(picture, 2, 3)).toEqual({ data: Float32Array.from([9, 12, 13, 23, 26, 27, 30, 33, 34]), height: 3, width: 3 });
  });

  it('have no value only where nothing that a pixel covers has one', () => {
    const picture = { data: Float32Array.from([NaN, 2, NaN, NaN]), height: 1, width: 4 };
    expect([...resample(picture, [0, 1], [0, 0.5, 1, 1.5, 2], 1, 2).data]).toEqual([2, NaN]);
  });

  it('lie on axes whose pixels differ', () => {
    const picture = { data: Float32Array.from([1, 2]), height: 1, width: 2 };
    expect([...resample(picture, [0, 1], gridEdges([0, 1, 10], false, 10).positions, 1, 10).data]).toEqual([1, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
  });
});

describe('comparison', () => {
  const one = { data: Float32Array.from([1, 2, 3, NaN]), height: 2, width: 2 };
  const other = { data: Float32Array.from([0, 5, 3, 1]), height: 2, width: 2 };
  it('needs pixels of one size', () => {
    const fine = { picture: { data: Float32Array.from([1, 2, 3, 4, 5, 6]), height: 2, width: 3 }, factor: 1 };
    const coarse = { picture: { data: Float32Array.from([7, 8]), height: 1, width: 2 }, factor: 2 };
    expect([...matched(fine, coarse)!.one.data]).toEqual([5, 6]);
    expect(matched(fine, coarse)!.factor).toBe(2);
    expect(matched(fine, { ...coarse, factor: 1 })).toBeUndefined();
  });

  it('subtracts and swipes', () => {
    expect([...difference(one, other)!.data]).toEqual([1, -3, 0, NaN]);
    expect([...swiped(one, other, 0.5)!.data]).toEqual([1, 5, 3, 1]);
    expect(difference(one, { ...other, height: 1, width: 4 })).toBeUndefined();
    expect(symmetricDomain(difference(one, other)!)).toEqual([-1, 1]);
    expect(symmetricDomain({ data: new Float32Array(4), height: 2, width: 2 })).toEqual([-1, 1]);
  });
});

const all = (count: number) => ({ start: 0, step: 1, count });

describe('the cursor', () => {
  const plane = { h5path: '/d', slice: '7, :, :', ndim: 3, yDimension: 1, xDimension: 2, rows: all(100), columns: all(70) };
  it('asks for the block around it', () => {
    expect(blockOf(plane, { row: 40, column: 69 })).toEqual({ slice: '7, 32:64, 64:70', row: 8, column: 5 });
    const turned = { ...plane, slice: '7, :, :', yDimension: 2, xDimension: 1, rows: all(70), columns: all(100) };
    expect(blockOf(turned, { row: 1, column: 40 }).slice).toBe('7, 32:64, 0:32');
    const stepped = { ...plane, rows: { start: 10, step: 3, count: 20 } };
    expect(blockOf(stepped, { row: 4, column: 0 }).slice).toBe('7, 10:68:3, 0:32');
  });

  it('knows q, the angle and the distance of planes', () => {
    const geometry = { beam_x: 1000, beam_y: 1000, distance: 0.1, pixel_x: 1e-4, pixel_y: 1e-4, wavelength: 1, source: '' };
    const { q, twoTheta, d } = scattering(geometry, 1000, 2000);
    expect(twoTheta).toBeCloseTo(45, 9);
    expect(q).toBeCloseTo(4 * Math.PI * Math.sin(Math.PI / 8), 9);
    expect(d).toBeCloseTo((2 * Math.PI) / q!, 9);
    expect(scattering(geometry, 1000, 1000)).toEqual({ q: 0, twoTheta: 0, d: undefined });
    expect(scattering({ ...geometry, wavelength: undefined }, 1000, 2000).q).toBeUndefined();
  });
});

describe('tables', () => {
  it('show what is in sight, of short and of endless ones', () => {
    expect(spanAt(240, 480, 1000, 24)).toEqual({ first: 10, last: 31, offset: 240 });
    const rows = 10 ** 9;
    expect(contentSize(rows, 24)).toBe(LONGEST);
    expect(spanAt(0, 480, rows, 24).first).toBe(0);
    expect(spanAt(LONGEST - 480, 480, rows, 24).last).toBe(rows);
    const scroll = scrollTo(123_456_789, 480, rows, 24);
    expect(Math.abs(spanAt(scroll, 480, rows, 24).first - 123_456_789)).toBeLessThan(2);
    expect(blocksIn({ first: 95, last: 120, offset: 0 }, { first: 0, last: 8, offset: 0 })).toEqual([
      { row: 0, column: 0 },
      { row: 1, column: 0 }
    ]);
  });

  it('dump bytes', () => {
    expect(dumpLine('0041424320ff', 0)).toBe('00000000  00 41 42 43 20 ff                                ..ABC .'.replace('..ABC', '.ABC'));
  });
});
