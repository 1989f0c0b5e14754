import type { ISource, IViewState, ScaleName } from './viewState';

/**
 * A view state as the query of a link, and back. What does not parse is left out: a link from a mail with a cut tail still opens
 * the file.
 */

const VIEWS = ['scalar', 'line', 'heatmap', 'scatter', 'rgb', 'matrix', 'compound', 'complex', 'raw', 'group'] as const;
const SCALES: readonly ScaleName[] = ['linear', 'log', 'symlog', 'sqrt'];
const REDUCERS = ['max', 'mean', 'min', 'first'] as const;
const COMPARE_MODES = ['side', 'difference', 'swipe'] as const;
const MAX_CURVES = 50;

interface IField {
  key: keyof IViewState;
  write(value: never): string | undefined;
  read(text: string): unknown;
}

const text = { write: (value: string) => value || undefined, read: (value: string) => value || undefined };
const flag = { write: (value: boolean) => (value ? '1' : '0'), read: readFlag };

const FIELDS: Record<string, IField> = {
  h5path: { key: 'h5path', ...text },
  vis: { key: 'vis', write: (value: string) => value, read: oneOf(VIEWS) },
  slice: { key: 'slice', ...text },
  axes: { key: 'axes', write: joined, read: value => numbers(value, undefined, isIndex) },
  range: { key: 'range', write: joined, read: value => numbers(value, 2) },
  scale: { key: 'scale', write: (value: string) => value, read: oneOf(SCALES) },
  cmap: { key: 'colorMap', ...text },
  invert: { key: 'invertColorMap', ...flag },
  reduce: { key: 'reduce', write: (value: string) => value, read: oneOf(REDUCERS) },
  mask: { key: 'mask', write: (value: string) => value, read: oneOf(['auto', 'none'] as const) },
  zoom: { key: 'zoom', write: joined, read: value => numbers(value, 4) },
  aspect: { key: 'keepAspect', ...flag },
  follow: { key: 'follow', ...flag },
  roi: { key: 'roi', write: joined, read: value => numbers(value, 4) },
  profile: { key: 'profile', write: joined, read: value => numbers(value, 4) },
  x: { key: 'x', ...text },
  compare: { key: 'compare', write: writeSource, read: readSource },
  mode: { key: 'compareMode', write: (value: string) => value, read: oneOf(COMPARE_MODES) }
};
const CURVE = 'curve';

/** The query, without a question mark. Slashes, colons and commas stay readable. */
export function toQuery(state: IViewState): string {
  const parts: string[] = [];
  for (const [name, field] of Object.entries(FIELDS)) {
    const value = state[field.key];
    const written = value === undefined ? undefined : field.write(value as never);
    if (written !== undefined) {
      parts.push(`${name}=${escape(written)}`);
    }
  }
  for (const source of state.curves ?? []) {
    parts.push(`${CURVE}=${escape(writeSource(source))}`);
  }
  return parts.join('&');
}

/** Whether a query may say something about a view; `mode`, say, may also be somebody else's. */
export const VIEW_QUERY = new RegExp(`[?&](${[...Object.keys(FIELDS), CURVE].join('|')})=`);

/** What a link says, or null if it says nothing about a view. */
export function fromQuery(search: string): IViewState | null {
  const query = new URLSearchParams(search);
  const state: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    const value = query.get(name);
    const read = value === null ? undefined : field.read(value);
    if (read !== undefined) {
      state[field.key] = read;
    }
  }
  const curves = query.getAll(CURVE).slice(0, MAX_CURVES).map(readSource).filter(source => source !== undefined);
  if (curves.length) {
    state.curves = curves;
  }
  if (!Object.keys(state).length) {
    return null;
  }
  return { h5path: '', ...state } as IViewState;
}

/** A view state from outside (a restored layout, a command's arguments): the same checks as for a link. */
export function fromJson(value: unknown): IViewState | null {
  if (typeof value !== 'object' || value === null) {
    return null;
  }
  try {
    return fromQuery(toQuery(value as IViewState));
  } catch {
    return null;
  }
}

function escape(value: string): string {
  return encodeURIComponent(value).replace(/%(2F|3A|2C|20)/g, (_code, hex: string) =>
    hex === '20' ? '+' : String.fromCharCode(parseInt(hex, 16))
  );
}

function joined(values: readonly number[]): string {
  return values.join(',');
}

function numbers(value: string, count?: number, allowed: (n: number) => boolean = Number.isFinite): number[] | undefined {
  const parts = value.split(',').map(part => (part.trim() === '' ? NaN : Number(part)));
  return (count === undefined || parts.length === count) && parts.length <= 32 && parts.every(allowed) ? parts : undefined;
}

function isIndex(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 32;
}

function oneOf<T extends string>(words: readonly T[]): (value: string) => T | undefined {
  return value => words.find(word => word === value);
}

function readFlag(value: string): boolean | undefined {
  return value === '1' || value === 'true' ? true : value === '0' || value === 'false' ? false : undefined;
}

/** `file::path::slice`, each with its own percent signs, so that any name is possible; what is missing at the end is left out. */
function writeSource(source: ISource): string {
  const part = (value: string | undefined): string => (value ?? '').replace(/[%:]/g, encodeURIComponent);
  const slice = source.slice?.replace(/%/g, '%25');
  return [part(source.path), part(source.h5path), ...(slice ? [slice] : [])].join('::');
}

function readSource(value: string): ISource | undefined {
  const [path, h5path, ...slice] = value.split('::');
  try {
    const source: ISource = { h5path: decodeURIComponent(h5path ?? '') };
    if (!source.h5path) {
      return undefined;
    }
    if (path) {
      source.path = decodeURIComponent(path);
    }
    if (slice.length) {
      source.slice = decodeURIComponent(slice.join('::'));
    }
    return source;
  } catch {
    return undefined;
  }
}
