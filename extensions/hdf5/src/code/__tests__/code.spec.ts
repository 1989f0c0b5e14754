import { beforeEach, describe, expect, it } from 'vitest';
import { CodeMimeData, setNotebookFinder } from '../drag';
import { DataUrlError, dataUrl, pathFrom } from '../paths';
import { adoptFlavour, preferences } from '../preferences';
import { snippet } from '../snippets';
import type { ISubject } from '../subject';
import { pyValue, viewCode } from '../viewCode';

const IMAGE: ISubject = {
  path: 'a.h5',
  h5path: '/entry/data',
  kind: 'dataset',
  type: { class: 'integer', size: 4, signed: false, order: 'little' },
  shape: [200, 2167, 2070],
  storage: { layout: 'chunked', filters: [{ id: 32008, name: 'bitshuffle', options: [], available: true }], stored: 1, nbytes: 4e9 }
};

describe('snippet', () => {
  it('reads one frame of what is too large for memory', () => {
    const { code, variable } = snippet('h5py', IMAGE);
    expect(variable).toBe('data');
    expect(code).toContain('data = h5["/entry/data"][0, :, :]  # all of it is 4.0 GB');
    expect(code).toContain('import hdf5plugin');
  });

  it('reads what was asked for', () => {
    const code = snippet('silx', { ...IMAGE, slice: '3,:,0:10' }).code;
    expect(code).toContain('data_slice=(3, slice(None), slice(0, 10))');
  });

  it('lets no slice out of its brackets', () => {
    expect(() => snippet('h5py', { ...IMAGE, slice: '0]; import os; x[0' })).toThrow(/no slice/);
  });

  it('opens a URL through fsspec', () => {
    expect(snippet('xarray', { ...IMAGE, path: 'https://example.org/a.h5' }).code).toContain('fsspec.open("https://example.org/a.h5")');
  });
});

describe('viewCode', () => {
  it('says what is shown, and no more', () => {
    const state = { h5path: '/entry/data', slice: '3,:,:', range: [0, 10] as [number, number], roi: [1, 2, 3, 4] as [number, number, number, number], follow: false };
    expect(viewCode('a.h5', state)).toBe(
      'import panosc_hdf5\n\npanosc_hdf5.view("a.h5", "/entry/data", slice="3, :, :", range=[0, 10], roi=[1, 2, 3, 4])'
    );
  });

  it('writes any JSON as Python', () => {
    expect(pyValue({ a: [true, null, 1.5, 'x"'], b: undefined })).toBe('{"a": [True, None, 1.5, "x\\""]}');
    expect(pyValue(NaN)).toBe('float("NaN")');
  });
});

describe('paths', () => {
  it.each([
    ['work/a.ipynb', 'work/data/x.h5', 'data/x.h5'],
    ['work/a.ipynb', 'x.h5', '../x.h5'],
    ['RTC:work/a.ipynb', 'RTC:work/x.h5', 'x.h5'],
    [null, 'work/x.h5', 'work/x.h5'],
    ['a.ipynb', 'https://example.org/x.h5', 'https://example.org/x.h5']
  ])('from %s to %s', (notebook, file, path) => expect(pathFrom(notebook, file)).toBe(path));

  it('makes silx data URLs', () => {
    expect(dataUrl('d/x.h5', '/entry/data', '3, :', '/home/u')).toBe('silx:///home/u/d/x.h5?path=/entry/data&slice=3,:');
    expect(dataUrl('d/x.h5', '/a b&c')).toBe('silx:d/x.h5?path=/a%20b%26c');
    expect(() => dataUrl('what?.h5', '/a')).toThrow(DataUrlError);
    expect(() => dataUrl('x.h5', '/\ud800')).toThrow(DataUrlError);
  });
});

describe('a drag', () => {
  beforeEach(() => {
    document.elementFromPoint = () => document.body;
    setNotebookFinder(element => (element === document.body ? 'work/a.ipynb' : null));
  });

  it('writes the code for the notebook under the pointer', () => {
    const mime = new CodeMimeData({ path: 'data/x.h5', h5path: '/entry/data', slice: '0' });
    expect(mime.types()).toEqual(['application/vnd.jupyter.cells', 'text/plain']);
    expect(mime.getData('text/plain')).toContain('"data/x.h5"');
    window.dispatchEvent(new MouseEvent('pointermove', { clientX: 3, clientY: 3 }));
    const [cell] = mime.getData('application/vnd.jupyter.cells') as { source: string; cell_type: string }[];
    expect(cell.cell_type).toBe('code');
    expect(cell.source).toContain('"../data/x.h5"');
    mime.stop();
  });
});

it('takes only flavours from the settings', () => {
  adoptFlavour('silx');
  adoptFlavour('rm -rf');
  expect(preferences.flavour).toBe('silx');
  adoptFlavour('h5py');
});
