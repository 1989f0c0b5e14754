import { PageConfig } from '@jupyterlab/coreutils';
import { beforeAll, describe, expect, it } from 'vitest';
import { linkTo, parseAddress } from '../address';
import { resolve } from '../commands';

beforeAll(() => {
  PageConfig.setOption('baseUrl', '/user/ada/');
  PageConfig.setOption('mode', 'multiple-document');
});

describe('an address', () => {
  it('leads from a view to the same view', () => {
    const state = { h5path: '/entry/ü', slice: '3, :, :', range: [0, 5] as [number, number] };
    const link = new URL(linkTo('data/a b#1.h5', state));
    expect(link.pathname).toBe('/user/ada/lab/tree/data/a%20b%231.h5');
    expect(parseAddress(link.pathname, link.search)).toEqual({ path: 'data/a b#1.h5', state });
  });

  it('leads to a file elsewhere', () => {
    const url = 'https://data.example.org/scan.h5?x=1&y';
    const link = new URL(linkTo(url, { h5path: '/entry' }));
    expect(parseAddress(link.pathname, link.search)).toEqual({ path: url, state: { h5path: '/entry' } });
    expect(parseAddress('/lab', '?h5file=a.h5')).toEqual({ path: 'a.h5', state: { h5path: '' } });
  });

  it('is left alone if it is not ours or broken', () => {
    expect(parseAddress('/lab/tree/x.h5', '?token=t')).toBeNull();
    expect(parseAddress('/lab', '?h5path=/a')).toBeNull();
    expect(parseAddress('/lab/tree/%E0%A4.h5', '?h5path=/a')).toBeNull();
    expect(parseAddress('/lab/workspaces/w/tree/x.h5', '?h5path=/a')?.path).toBe('x.h5');
  });
});

describe('the target of a link', () => {
  it('counts from the group that holds the link', () => {
    expect(resolve('../a', '/entry')).toBe('/entry/../a'); // HDF5 has no "..": it is a name
    expect(resolve('a/./b', '/entry')).toBe('/entry/a/b');
    expect(resolve('/x//y', '/entry')).toBe('/x/y');
    expect(resolve('a', '/')).toBe('/a');
  });
});
