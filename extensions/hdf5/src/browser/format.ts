import type { IAttribute, IChild, ILink, IStorage, IType } from '../api/types';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes for people: 1.7 MB. */
export function bytes(n: number): string {
  let value = n;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toPrecision(2)} ${UNITS[unit]}`;
}

export function shapeText(shape: readonly number[] | null | undefined): string {
  if (shape === undefined) {
    return '';
  }
  return shape === null ? 'empty' : shape.length === 0 ? 'scalar' : shape.join(' × ');
}

const KINDS: Record<string, string> = { i: 'int', u: 'uint', f: 'float', c: 'complex' };

/** Numpy's short form of a number's type in words: "<f4" is float32. Anything else stays. */
export function dtypeText(dtype: string | undefined): string {
  const match = /^([<>|=])([iufc])(\d+)$/.exec(dtype ?? '');
  return match ? `${KINDS[match[2]]}${8 * Number(match[3])}${match[1] === '>' ? ' big-endian' : ''}` : (dtype ?? '');
}

/** A type in a few words: "uint32", "string (utf-8)", "compound {x, y}". */
export function typeText(type: IType | undefined, dtype?: string): string {
  switch (type?.class) {
    case 'integer':
      return `${type.signed ? 'int' : 'uint'}${8 * type.size}${type.size > 1 && type.order === 'big' ? ' big-endian' : ''}`;
    case 'float':
      return `float${8 * type.size}${type.order === 'big' ? ' big-endian' : ''}`;
    case 'complex':
      return `complex${8 * type.size}`;
    case 'boolean':
      return 'boolean';
    case 'string':
      return type.length === null ? `string (${type.charset})` : `string of ${type.length} (${type.charset})`;
    case 'enum':
      return `enum {${listed(Object.keys(type.members))}}`;
    case 'compound':
      return `compound {${listed(type.fields.map(field => field.name))}}`;
    case 'array':
      return `${typeText(type.base)} [${type.dims.join(' × ')}]`;
    case 'vlen':
      return `list of ${typeText(type.base)}`;
    case 'opaque':
      return `opaque (${bytes(type.size)}${type.tag ? `, ${type.tag}` : ''})`;
    case 'reference':
      return `${type.to} reference`;
    default:
      return type?.class ?? dtypeText(dtype);
  }
}

function listed(names: string[]): string {
  return names.length > 6 ? `${names.slice(0, 5).join(', ')}, … ${names.length}` : names.join(', ');
}

/** How it lies in the file: "chunks 1 × 2167 × 2070 · bitshuffle · 10.4×". */
export function storageText(storage: IStorage | undefined): string {
  if (!storage) {
    return '';
  }
  const parts = storage.chunks ? [`chunks ${storage.chunks.join(' × ')}`] : storage.layout === 'chunked' ? [] : [storage.layout];
  if (storage.filters.length) {
    parts.push(storage.filters.map(filter => filter.name + (filter.available ? '' : ' (missing)')).join(' + '));
  }
  if (storage.ratio !== undefined && storage.filters.length) {
    parts.push(`${storage.ratio.toPrecision(3).replace(/\.?0+$/, '')}×`);
  }
  return parts.join(' · ');
}

/** The line beside a data set's name. */
export function summary(child: IChild): string {
  if (child.kind === 'dataset') {
    return [shapeText(child.shape), typeText(child.type, child.dtype), storageText(child.storage)].filter(Boolean).join(' · ');
  }
  if (child.kind === 'group') {
    return [child.title, child.start_time && timeText(child.start_time)].filter(Boolean).join(' · ');
  }
  return child.kind === 'error' ? (child.error?.message ?? '') : 'named type';
}

export function linkText(link: ILink): string {
  if (link.type === 'soft') {
    return `link to ${link.target ?? '?'}`;
  }
  return link.type === 'external' ? `link to ${link.file ?? '?'} :: ${link.target ?? '/'}` : '';
}

/** An ISO time as this browser writes times; anything else as it stands. */
export function timeText(time: string): string {
  const date = /^\d{4}-\d\d-\d\dT/.test(time) ? new Date(time) : null;
  return date && !isNaN(date.getTime()) ? date.toLocaleString() : time;
}

/** An attribute's value on one line. */
export function valueText(attribute: Pick<IAttribute, 'value' | 'shape' | 'error' | 'truncated'>): string {
  if (attribute.error) {
    return attribute.error.message;
  }
  if (attribute.shape === null) {
    return 'empty';
  }
  const text = plain(attribute.value);
  return attribute.truncated ? `${text} …` : text;
}

function plain(value: unknown): string {
  if (typeof value === 'string') {
    return value;
  }
  if (Array.isArray(value)) {
    return `[${value.map(plain).join(', ')}]`;
  }
  return value === null || value === undefined ? '—' : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Names, however long, for a title. */
export function describe(child: IChild): string {
  return [child.h5path, child.nx_class, summary(child), linkText(child.link)].filter(Boolean).join('\n');
}
