import { describe, expect, it } from 'vitest';
import { expanded, keptDimensions, parseSlice, pyIndex, pyString, pyTuple, variableName } from '../python';

describe('pyString', () => {
  it.each([
    ['plain', '"plain"'],
    ['a"b\\c\n', '"a\\"b\\\\c\\n"'],
    ["it's", '"it\'s"'],
    ['\u202egnp.exe', '"\\u202egnp.exe"'],
    ['a\u200bb\u2028c\x7f', '"a\\u200bb\\u2028c\\u007f"'],
    ['\ud800', '"\\ud800"'],
    ['温度 🧪', '"温度 🧪"'],
    ['"); import os; ("', '"\\"); import os; (\\""']
  ])('%j', (text, code) => expect(pyString(text)).toBe(code));
});

describe('parseSlice', () => {
  it.each([
    ['', '()'],
    [':, :', '()'],
    [' [3,:, 10:20] ', '3, :, 10:20'],
    ['-1, ...', '-1, ...'],
    ['::2', '::2'],
    ['5:', '5:'],
    ['00012', '12'],
    ['0,', '0']
  ])('%j', (text, code) => expect(pyIndex(parseSlice(text))).toBe(code));

  it.each(['0]; import os; x[0', '__import__("os")', '1.5', 'a', ',', '1,,2', '..., ...', '::0', '::-1', '1:2:3:4', '٣', '1e3', '1 2'])(
    'refuses %j',
    text => expect(() => parseSlice(text)).toThrow(/no slice/)
  );
});

describe('dimensions', () => {
  it('knows what is left', () => {
    expect(keptDimensions(parseSlice('0, ..., 1'), 4)).toEqual([1, 2]);
    expect(keptDimensions(parseSlice('0'), 3)).toEqual([1, 2]);
    expect(keptDimensions([], 2)).toEqual([0, 1]);
  });

  it('writes one item a dimension', () => {
    expect(pyIndex(expanded(parseSlice('-1, ...'), 3))).toBe('-1, :, :');
    expect(pyIndex(expanded(parseSlice('..., 0:2'), 1))).toBe('0:2');
    expect(pyTuple(parseSlice('3, :, 2:5, ::2, ...'))).toBe('(3, slice(None), slice(2, 5), slice(None, None, 2), Ellipsis)');
    expect(pyTuple(parseSlice('0'))).toBe('(0,)');
  });
});

describe('variableName', () => {
  it.each([
    ['/entry/instrument/detector/data', 'detector_data'],
    ['/entry/data/data', 'data'],
    ['/1.1/measurement/pilatus', 'pilatus'],
    ['/entry/2theta', '_2theta'],
    ['/entry/class', 'class_'],
    ['/entry/list', 'list_'],
    ['/', 'root_group'],
    ['/Ångström µ', 'Angstrom'],
    ['/温度', 'data'],
    ['/a; import os', 'a_import_os']
  ])('%s is %s', (h5path, name) => {
    const found = variableName(h5path);
    expect(found).toMatch(/^[A-Za-z_]\w*$/);
    expect(found).toBe(name);
  });
});
