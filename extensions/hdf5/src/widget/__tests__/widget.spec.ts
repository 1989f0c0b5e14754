import { describe, expect, it } from 'vitest';
import type { IClient } from '../../api/client';
import { contentsPath, isSameFile } from '../place';
import { changed, stateOf, traitsOf } from '../traits';

describe('traits', () => {
  it('go there and back', () => {
    const state = { h5path: '/a', slice: '3,:,:', range: [0, 1] as [number, number], follow: true, colorMap: 'Viridis' };
    const traits = traitsOf(state);
    expect(traits).toMatchObject({ h5path: '/a', slice: '3, :, :', color_map: 'Viridis', roi: null, curves: [], mask: 'auto' });
    expect(stateOf(trait => traits[trait])).toEqual({ ...state, slice: '3, :, :' });
  });

  it('hold only what their types take', () => {
    const traits = traitsOf({ h5path: '/a', roi: [0.2, 3.7, 1, 2], range: [2, 1], zoom: [0, NaN, 0, 1] });
    expect([traits.roi, traits.range, traits.zoom]).toEqual([[0, 4, 1, 2], null, null]);
  });

  it('tell only what differs', () => {
    const before = traitsOf({ h5path: '/a', slice: '1' });
    expect(changed(trait => before[trait], traitsOf({ h5path: '/a', slice: '2' }))).toEqual({ slice: '2' });
  });
});

describe('where the file is', () => {
  const place = { real: '/home/u/data/x.h5', home: '/home/u' };

  it.each([
    ['/home/u', 'data/x.h5'],
    ['~', 'data/x.h5'],
    ['~/data', 'x.h5'],
    ['/home/u/', 'data/x.h5'],
    ['/', 'home/u/data/x.h5'],
    ['/home/u/dat', null],
    ['', null]
  ])('from the root %s', (root, path) => expect(contentsPath(place, root)).toBe(path));

  it('believes a kernel that was told the root', () => {
    expect(contentsPath({ ...place, root: '/home/u/data' }, '/elsewhere')).toBe('x.h5');
    expect(contentsPath({ url: 'https://example.org/x.h5' }, '/')).toBe('https://example.org/x.h5');
  });

  const client = (state: object | Error): IClient =>
    ({ json: async () => (state instanceof Error ? Promise.reject(state) : state) }) as unknown as IClient;

  it('asks the server only for the same file', async () => {
    const steady = { ...place, size: 10, modified: 1000 };
    expect(await isSameFile(client({ size: 10 }), steady, 5000)).toBe(true);
    expect(await isSameFile(client({ size: 11 }), steady, 5000)).toBe(false);
    expect(await isSameFile(client({ size: 11 }), steady, 1010)).toBe(true);
    expect(await isSameFile(client(new Error('no')), steady)).toBe(false);
    expect(await isSameFile(client({ error: { message: 'gone' } }), steady)).toBe(false);
  });
});
