/** Text from files and addresses as Python source. Whatever comes in, what goes out is one literal, one slice, one name. */

/** What would be invisible, or change how the line reads: controls, joiners, direction marks. */
const HIDDEN = /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]/g;

/** A Python string literal. Lone surrogates stand for bytes that are no UTF-8, in Python as here. */
export function pyString(text: string): string {
  return JSON.stringify(text).replace(HIDDEN, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Not a slice. */
export class SliceError extends Error {
  constructor(text: string) {
    super(`${JSON.stringify(text.slice(0, 80))} is no slice. Slices are written as in numpy: "3, :, 10:20".`);
    this.name = 'SliceError';
  }
}

export interface ISliceItem {
  text: string;
  /** An index takes its dimension away. */
  kind: 'index' | 'range' | 'ellipsis';
  bounds: (number | null)[];
}

/** Numpy's basic indexing, and nothing else. @throws SliceError */
export function parseSlice(text: string): ISliceItem[] {
  const bare = text.trim().replace(/^\[([^[\]]*)\]$/, '$1').trim();
  if (!bare || bare === '()') {
    return [];
  }
  const parts = bare.split(',').map(part => part.trim());
  if (parts.length > 1 && !parts[parts.length - 1]) {
    parts.pop();
  }
  const items = parts.map(part => parseItem(part, text));
  if (items.filter(item => item.kind === 'ellipsis').length > 1 || items.length > 33) {
    throw new SliceError(text);
  }
  return items;
}

function parseItem(part: string, text: string): ISliceItem {
  if (part === '...') {
    return { text: '...', kind: 'ellipsis', bounds: [] };
  }
  const match = /^(-?\d{1,15})?(?:\s*(:)\s*(-?\d{1,15})?\s*(?::\s*(\d{1,15})?)?)?$/.exec(part);
  if (!match || (!match[2] && match[1] === undefined) || Number(match[4]) === 0) {
    throw new SliceError(text);
  }
  const [start, stop, step] = [match[1], match[3], match[4]].map(n => (n === undefined ? null : Number(n) || 0));
  if (!match[2]) {
    return { text: String(start), kind: 'index', bounds: [start] };
  }
  const bounds = [start, stop, step];
  return { text: `${start ?? ''}:${stop ?? ''}${step === null ? '' : `:${step}`}`, kind: 'range', bounds };
}

/** One item a dimension, where the data set's rank is known: not every library knows what `...` is. */
export function expanded(items: ISliceItem[], rank: number | undefined): ISliceItem[] {
  if (rank === undefined || !items.length || items.length - 1 > rank) {
    return items;
  }
  const at = items.findIndex(item => item.kind === 'ellipsis');
  const [head, tail] = at < 0 ? [items, []] : [items.slice(0, at), items.slice(at + 1)];
  const missing = Math.max(0, rank - head.length - tail.length);
  return [...head, ...Array.from({ length: missing }, () => WHOLE), ...tail];
}

const WHOLE: ISliceItem = { text: ':', kind: 'range', bounds: [null, null, null] };

/** Between brackets; `()` is everything, and also what a single value takes. */
export function pyIndex(items: ISliceItem[]): string {
  return items.every(item => item.text === ':') ? '()' : items.map(item => item.text).join(', ');
}

/** As a tuple of Python objects. */
export function pyTuple(items: ISliceItem[]): string {
  const objects = items.map(item => {
    if (item.kind === 'ellipsis') {
      return 'Ellipsis';
    }
    if (item.kind === 'index') {
      return item.text;
    }
    const [start, stop, step] = item.bounds.map(bound => (bound === null ? 'None' : String(bound)));
    return step !== 'None' ? `slice(${start}, ${stop}, ${step})` : start !== 'None' ? `slice(${start}, ${stop})` : `slice(${stop})`;
  });
  return objects.length === 1 ? `(${objects[0]},)` : `(${objects.join(', ')})`;
}

/** Which of `rank` dimensions are left. */
export function keptDimensions(items: ISliceItem[], rank: number): number[] {
  const full = expanded(items, rank);
  return Array.from({ length: rank }, (_, d) => d).filter(d => full[d]?.kind !== 'index');
}

const RESERVED = new Set(
  (
    'False None True and as assert async await break case class continue def del elif else except finally for from global if import ' +
    'in is lambda match nonlocal not or pass raise return try type while with yield ' +
    'abs all any bool bytes complex dict dir enumerate filter float format hash id input int iter len list map max min next object ' +
    'open ord pow print range repr reversed round set slice sorted str sum super tuple vars zip ' +
    'h5 h5py hdf5plugin np numpy silx nxload root xr sc fsspec remote dataset values stored panosc_hdf5 get_data DataUrl url'
  ).split(' ')
);

/** Names that say nothing without their parent's. */
const VAGUE = new Set(['data', 'value', 'values', 'signal', 'raw', 'raw_data', 'result', 'x', 'y', 'z']);
const PLACES = /^(entry|scan|measurement|instrument|collection|root|data|results?|process|nx\w*|_?\d[\w]*)[\d_]*$/i;

/** A good name for the variable that holds this object. */
export function variableName(h5path: string): string {
  const parts = h5path.split('/').filter(Boolean);
  const name = asIdentifier(parts[parts.length - 1] ?? 'root_group');
  const parent = parts.length > 1 ? asIdentifier(parts[parts.length - 2]) : '';
  const full = VAGUE.has(name.toLowerCase()) && parent && !PLACES.test(parent) ? `${parent}_${name}` : name;
  const short = full.slice(0, 40).replace(/_+$/, '') || 'data';
  return RESERVED.has(short) ? `${short}_` : short;
}

function asIdentifier(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[^A-Za-z0-9_]+/g, '_')
    .replace(/^_+|_+$/g, '');
  if (!plain) {
    return 'data';
  }
  return /^\d/.test(plain) ? `_${plain}` : plain;
}
