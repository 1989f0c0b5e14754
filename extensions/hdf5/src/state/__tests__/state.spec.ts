import { describe, expect, it } from 'vitest';
import type { IEntity } from '../../api/types';
import { carryOver } from '../keep';
import { fromJson, fromQuery, toQuery } from '../link';
import { asState, formatSlice, mappingOf, moveTo, parseSlice, putOnAxis, SliceError } from '../slicing';
import { ViewStore } from '../store';
import type { IViewState } from '../viewState';

const everything: Required<IViewState> = {
  h5path: '/entry/ä & b/data#1%',
  vis: 'heatmap',
  slice: '3, :, 5:900:2',
  axes: [2, 1],
  range: [-1e-7, 4.5],
  scale: 'log',
  colorMap: 'Viridis',
  invertColorMap: true,
  reduce: 'max',
  mask: 'none',
  zoom: [0, 10.5, 20, 30],
  keepAspect: false,
  follow: true,
  roi: [1, 2, 3, 4],
  profile: [0, 0, 7, 8],
  x: '/entry/time',
  curves: [
    { h5path: '/entry/a' },
    { h5path: '/b::c %3A', path: 'RTC:data/ü::x%.h5', slice: '0, :' },
    { h5path: '/s', slice: '::2' }
  ],
  compare: { path: 'other.h5', h5path: '/entry/data', slice: '1, :, :' },
  compareMode: 'swipe'
};

describe('a deep link', () => {
  it('carries everything there and back', () => {
    expect(fromQuery('?' + toQuery(everything))).toEqual(everything);
  });

  it('is readable', () => {
    expect(toQuery({ h5path: '/entry/data', slice: '3,:,:', vis: 'heatmap', range: [0, 10] })).toBe(
      'h5path=/entry/data&vis=heatmap&slice=3,:,:&range=0,10'
    );
  });

  it('leaves out what does not parse', () => {
    expect(fromQuery('?h5path=/a&vis=evil&range=1&zoom=1,2,3,x&axes=-1,0&scale=log&curve=::&range=NaN,1')).toEqual({
      h5path: '/a',
      scale: 'log'
    });
    expect(fromQuery('?token=t&reset')).toBeNull();
    expect(fromQuery('?curve=%25E0%25A4::%2Fa')).toBeNull();
  });

  it('checks what a restored layout says as strictly', () => {
    expect(fromJson({ h5path: '/a', range: [0, 1], slice: '1,:' })).toEqual({ h5path: '/a', range: [0, 1], slice: '1,:' });
    expect(fromJson({ h5path: '/a', range: 5 })).toBeNull();
    expect(fromJson('x')).toBeNull();
  });
});

describe('a slice', () => {
  it.each([
    ['3, :, :', [10, 4, 5], '3, :, :'],
    ['[-1, ..., 2]', [10, 4, 5], '9, :, 2'],
    ['...', [10, 4], ':, :'],
    ['', [10, 4], ':, :'],
    ['2', [10, 4], '2, :'],
    ['0:5:1,::2', [10, 4], ':5, ::2'],
    ['-3:,1:2,', [10, 4], '7:, 1:2'],
    ['', [], '']
  ])('%s of %j', (text, shape, canonical) => {
    expect(formatSlice(parseSlice(text, shape))).toBe(canonical);
  });

  it.each([
    ['10, :', 'there is no 10'],
    ['-11', 'there is no -11'],
    ['a', 'is no slice'],
    ['1,2,3', 'has 2 dimensions'],
    ['5:5', 'takes nothing'],
    ['::-1', 'step'],
    ['1e3', 'is no slice'],
    ['99999999999999999999', 'there is no']
  ])('%s is refused in words', (text, words) => {
    expect(() => parseSlice(text, [10, 4])).toThrow(SliceError);
    expect(() => parseSlice(text, [10, 4])).toThrow(words);
  });
});

describe('the dimension bar', () => {
  const shape = [200, 30, 40];

  it('shows the last dimensions of the first frame by default', () => {
    expect(asState(mappingOf(shape, 2))).toEqual({ slice: '0, :, :', axes: undefined });
    expect(asState(mappingOf(shape, 1))).toEqual({ slice: '0, 0, :', axes: undefined });
    expect(asState(mappingOf([5], 2))).toEqual({ slice: ':', axes: undefined });
  });

  it('follows the slice, and survives one that is not for this data set', () => {
    expect(mappingOf(shape, 2, ':, 7, :').axes).toEqual([0, 2]);
    expect(formatSlice(mappingOf(shape, 2, '999, :, :').entries)).toBe('0, :, :');
    expect(formatSlice(mappingOf(shape, 1, '3, :, :').entries)).toBe('3, 0, :');
  });

  it('swaps axes, and moves what leaves an axis to where its range began', () => {
    const mapping = mappingOf(shape, 2, '3, 5:9, :');
    expect(asState(putOnAxis(mapping, 0, 2, shape))).toEqual({ slice: '3, 5:9, :', axes: [2, 1] });
    expect(asState(putOnAxis(mapping, 0, 0, shape))).toEqual({ slice: ':, 5, :', axes: undefined });
    expect(asState(putOnAxis(mapping, 1, 0, shape))).toEqual({ slice: ':, 5:9, 0', axes: [1, 0] });
  });

  it('stays within the stack', () => {
    const mapping = mappingOf(shape, 2);
    expect(formatSlice(moveTo(mapping, 0, 500, shape).entries)).toBe('199, :, :');
    expect(formatSlice(moveTo(mapping, 0, -2, shape).entries)).toBe('0, :, :');
  });
});

describe('keeping the view', () => {
  const entity = (shape: number[]): IEntity => ({ views: ['heatmap', 'line', 'matrix'], shape }) as IEntity;
  const before = { state: { ...everything, h5path: '/one', axes: undefined, vis: 'heatmap' as const, slice: '3, :, :' }, shape: [9, 4, 5] };

  it('keeps range, scale, slice, zoom and region for what is alike', () => {
    const state = carryOver({ h5path: '/two' }, before, true, entity([20, 4, 5]));
    expect(state).toMatchObject({ h5path: '/two', range: everything.range, scale: 'log', slice: '3, :, :', zoom: everything.zoom });
    expect(state.curves).toBeUndefined();
  });

  it('keeps no zoom for another size, no slice that is not there, and nothing for another rank', () => {
    const state = carryOver({ h5path: '/two' }, before, true, entity([2, 8, 5]));
    expect([state.zoom, state.slice, state.scale]).toEqual([undefined, undefined, 'log']);
    expect(carryOver({ h5path: '/two' }, before, true, entity([5])).scale).toBeUndefined();
  });

  it('keeps the colours in any case, and what was asked for wins', () => {
    expect(carryOver({ h5path: '/two' }, before, false)).toMatchObject({ colorMap: 'Viridis', mask: 'none' });
    const asked = carryOver({ h5path: '/two', range: [1, 2], slice: '0, :, :' }, before, true, entity([9, 4, 5]));
    expect([asked.range, asked.slice]).toEqual([[1, 2], '0, :, :']);
  });
});

describe('the store', () => {
  it('tells of changes only, and forgets what is undefined', () => {
    const store = new ViewStore({ h5path: '/a', range: [0, 1] });
    let told = 0;
    store.subscribe(() => told++);
    store.change({ range: [0, 1] });
    expect(told).toBe(0);
    store.change({ range: undefined });
    expect([told, store.get()]).toEqual([1, { h5path: '/a' }]);
  });
});
