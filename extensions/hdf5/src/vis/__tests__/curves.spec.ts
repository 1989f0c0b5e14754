import { describe, expect, it, vi } from 'vitest';
import type { IClient } from '../../api/client';
import type { IEntity, ILineHeader } from '../../api/types';
import { assemble, extent, fetchCurve, nearest, samplesInSight, type ICurveSource, type ISamples } from '../line/curves';
import { candidates } from '../line/CurvePicker';
import { curvesOf, distinct } from '../line/sources';
import { partOf } from '../other/ComplexView';
import { interleave } from '../other/RgbView';
import { strideFor, stridden } from '../other/strided';

const header = (length: number, bucket: number): ILineHeader => ({ h5path: '/y', slice: ':', dimension: 0, length, range: [0, length], bucket, stats: {} as never });
const source: ICurveSource = { key: 'k', client: {} as IClient, h5path: '/y', slice: ':', label: 'y' };
const plain = (values: number[]): ISamples => ({ header: header(values.length, 1), index: values.map((_, i) => i), first: Float64Array.from(values) });

describe('curves', () => {
  it('go through every sample where there are few', () => {
    const curve = assemble({ ...source, x: { values: [10, 20, 30] } }, plain([1, 5, 2]), undefined, plain([0.1, 0.2, 0.3]));
    expect([...curve.abscissas]).toEqual([10, 20, 30]);
    expect([...curve.ordinates]).toEqual([1, 5, 2]);
    expect([...curve.errors!]).toEqual([0.1, 0.2, 0.3]);
  });

  it('draw histograms at the middle of their bins', () => {
    expect([...assemble({ ...source, x: { values: [0, 2, 4, 6] } }, plain([1, 5, 2])).abscissas]).toEqual([1, 3, 5]);
  });

  it('go through the smallest and the largest value of each bucket, the nearer one first', () => {
    const samples: ISamples = {
      header: header(300, 100),
      index: [0, 100, 200],
      first: Float64Array.from([0, 9, 5]),
      min: Float64Array.from([0, -1, 5]),
      max: Float64Array.from([4, 10, 5])
    };
    const curve = assemble(source, samples);
    expect([...curve.abscissas]).toEqual([0, 0, 100, 100, 200, 200]);
    expect([...curve.ordinates]).toEqual([0, 4, 10, -1, 5, 5]);
    expect(curve.errors).toBeUndefined();
  });

  it('take x from another data set in the same buckets, and the number where it does not fit', () => {
    const positions = plain([100, 200, 300]);
    expect([...assemble(source, plain([1, 2, 3]), positions).x]).toEqual([100, 200, 300]);
    expect([...assemble(source, plain([1, 2, 3]), plain([1])).x]).toEqual([0, 1, 2]);
  });

  it('find the nearest sample, whether x rises, falls or goes back and forth', () => {
    expect(nearest([1, 2, 5], 4)).toBe(2);
    expect(nearest([5, 2, 1], 4)).toBe(0);
    expect(nearest([0, 5, 1, NaN, 4], 4.2)).toBe(4);
    expect(nearest([], 1)).toBe(-1);
  });

  it('are asked for again where more detail is to be seen', () => {
    const samples: ISamples = { header: header(1000, 10), index: Array.from({ length: 100 }, (_, i) => i * 10), first: new Float64Array(100) };
    const curve = assemble(source, samples);
    expect(samplesInSight(curve, [400, 420])).toEqual([380, 450]);
    expect(samplesInSight(curve, [0, 1000])).toBeUndefined();
  });

  it('lose neither themselves nor their errors to an axis that fails', async () => {
    const arrays = vi.fn(async (_operation: string, { h5path }: { h5path: string }) => {
      if (h5path === '/x') {
        throw new Error('no such axis');
      }
      const values = Float64Array.from(h5path === '/e' ? [1, 1] : [7, 8]);
      return { header: header(2, 1), arrays: { x: { values: [0, 1] }, first: { values } }, stored: {}, nbytes: 0 };
    });
    const client = { arrays } as unknown as IClient;
    const curve = await fetchCurve({ ...source, client, x: { h5path: '/x' }, errors: '/e' }, { points: 100 }, new AbortController().signal);
    expect([...curve.ordinates]).toEqual([7, 8]);
    expect([...curve.x]).toEqual([0, 1]);
    expect([...curve.errors!]).toEqual([1, 1]);
  });

  it('reach from the smallest to the largest number', () => {
    expect(extent([[1, NaN, -3], [Infinity, 7]])).toEqual([-3, 7]);
    expect(extent([[-1, 0, 5, 2]], true)).toEqual([2, 5]);
    expect(extent([[NaN]])).toBeUndefined();
  });
});

const entity = (over: object, plot: object): IEntity =>
  ({ h5path: '/entry/data', views: ['line'], attributes: [], plot: { signal: '/entry/data/s', title: 's', axes: [], auxiliary: [], ...plot }, ...over }) as unknown as IEntity;

describe('what is drawn', () => {
  const client = { path: 'f.h5' } as IClient;

  it('is the signal and its auxiliary signals on one axis', () => {
    const plot = {
      shape: [5],
      errors: '/entry/data/s_errors',
      axes: [{ dimension: 0, h5path: '/entry/data/x', label: 'x' }],
      auxiliary: [{ h5path: '/entry/data/m', label: 'monitor' }]
    };
    const curves = curvesOf(client, entity({}, plot), {}, {});
    expect(curves.map(curve => [curve.h5path, curve.errors, curve.x])).toEqual([
      ['/entry/data/s', '/entry/data/s_errors', { h5path: '/entry/data/x' }],
      ['/entry/data/m', undefined, { h5path: '/entry/data/x' }]
    ]);
    expect(curvesOf(client, entity({}, plot), { x: '/own' }, {})[0].x).toEqual({ h5path: '/own' });
  });

  it('is a few spectra of a stack together, one of many', () => {
    const few = { shape: [3, 50], interpretation: 'spectrum', axes: [{ dimension: 0, label: 'T', units: 'K' }] };
    const curves = curvesOf(client, entity({}, few), {}, { 0: [10, 20, 30] });
    expect(curves.map(curve => curve.slice)).toEqual(['0, :', '1, :', '2, :']);
    expect(curves[1].label).toBe('T 20 (K)');
    expect(curvesOf(client, entity({}, { ...few, shape: [500, 50] }), {}, {}).map(curve => curve.slice)).toEqual(['0, :']);
    expect(curvesOf(client, entity({}, { ...few, shape: [500, 50] }), { slice: '10:20:5, :' }, {}).map(c => c.slice)).toEqual(['10, :', '15, :']);
    expect(curvesOf(client, entity({}, { shape: [500, 50] }), { slice: '7, :' }, {}).map(curve => curve.slice)).toEqual(['7, :']);
  });

  it('can be put against what lies beside it', () => {
    const child = (name: string, shape: number[] | null, type = 'float') => ({ name, kind: 'dataset', shape, type: { class: type } }) as never;
    const found = candidates([child('a', [10]), child('b', [11]), child('c', [9]), child('d', [10], 'string'), child('e', null)], 10);
    expect(found.map(({ name }) => name)).toEqual(['a', 'b']);
  });
});

describe('other values', () => {
  it('complex numbers have four parts', () => {
    const array = { pairs: Float64Array.from([3, 4, 0, -1]) };
    expect([...partOf(array, 'amplitude')]).toEqual([5, 1]);
    expect([...partOf(array, 'phase')].map(v => v.toFixed(4))).toEqual(['0.9273', '-1.5708']);
    expect([...partOf(array, 'real')]).toEqual([3, 0]);
    expect([...partOf(array, 'imaginary')]).toEqual([4, -1]);
  });

  it('colours are bytes', () => {
    const colours = (max: number, ...channels: ArrayLike<number>[]) => [
      ...interleave(channels.map(values => ({ header: { stats: { max } }, arrays: { data: { shape: [1, 2], values } } })) as never).data
    ];
    expect(colours(255, [1, 2], [3, 4], [5, 255])).toEqual([1, 3, 5, 2, 4, 255]);
    expect(colours(65535, [0, 65535], [32768, 0])).toEqual([0, 128, 255, 0]);
    expect(colours(1, [0, 0.5], [1, 0.25])).toEqual([0, 255, 128, 64]);
  });

  it('large ones are taken by steps', () => {
    expect(strideFor(20000, 10000, 200_000)).toBe(32);
    expect(stridden([3, ':', ':', ':'], [5, 100, 200, 3], [1, 2], 4)).toBe('3, 0:100:4, 0:200:4, :');
    expect(stridden([':'], [100], [0], 1)).toBe(':');
  });
});

describe('curves of the same name', () => {
  it('say which they are', () => {
    const client = { path: 'a.h5' } as IClient;
    const source = (h5path: string, label = 'I0', slice?: string) => ({ key: h5path, client, h5path, label, slice });
    const labels = (...sources: ReturnType<typeof source>[]) => distinct(sources).map(({ label }) => label);
    expect(labels(source('/1.1/plot/I0'), source('/2.1/plot/I0'), source('/1.1/plot/I1', 'I1'))).toEqual(['I0 · 1.1', 'I0 · 2.1', 'I1']);
    expect(labels(source('/a', 'I0', '0'), source('/a', 'I0', '1'))).toEqual(['I0 · 0', 'I0 · 1']);
    expect(labels(source('/a'), source('/a'))).toEqual(['I0', 'I0']);
    expect(labels({ ...source('/a'), client: { path: 'b.h5' } as IClient }, source('/a'))).toEqual(['I0 · b.h5', 'I0 · a.h5']);
  });
});
