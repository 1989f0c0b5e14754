import type { IArray, Values } from '../api/client';
import { problemOf } from '../api/problems';

/** Files made in the browser, where no server can be asked for them. */

/** A NumPy file: its header and the values as they are. */
export function toNpy({ dtype, shape, values }: IArray): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${dtype}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const padding = 64 - ((10 + text.length + 1) % 64);
  const header = `${text}${' '.repeat(padding % 64)}\n`;
  const file = new Uint8Array(10 + header.length + values.byteLength);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 0xff, header.length >> 8]);
  file.set(new TextEncoder().encode(header), 10);
  file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 10 + header.length);
  return file;
}

/** Comma-separated values, one line a row. */
export function toCsv(values: Values | Float64Array, columns: number): string {
  const lines: string[] = [];
  for (let begin = 0; begin < values.length; begin += columns) {
    lines.push(Array.from(values.subarray(begin, begin + columns) as ArrayLike<unknown>, String).join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** Columns with their names, of as many lines as the longest has. */
export function columnsToCsv(columns: { name: string; values: ArrayLike<number> }[]): string {
  const quoted = (name: string) => (/[",\n]/.test(name) ? `"${name.replace(/"/g, '""')}"` : name);
  const length = Math.max(0, ...columns.map(column => column.values.length));
  const lines = [columns.map(column => quoted(column.name)).join(',')];
  for (let i = 0; i < length; i++) {
    lines.push(columns.map(({ values }) => (i < values.length ? String(values[i]) : '')).join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** Hand a file to the person. */
export function download(content: Blob | string | Uint8Array, name: string, type = 'application/octet-stream'): void {
  const blob = content instanceof Blob ? content : new Blob([content as BlobPart], { type });
  const url = URL.createObjectURL(blob);
  follow(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Take a file from the server; what it refuses is an error in its words. */
export async function take(url: string, name: string): Promise<void> {
  const response = await fetch(url, { credentials: 'same-origin' });
  if (!response.ok) {
    throw await problemOf(response);
  }
  download(await response.blob(), name);
}

/** Follow a link as a click would. */
function follow(url: string, name: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

/** `frame_3_all_all.npy`: what it is of. */
export function fileName(h5path: string, slice: string, extension: string): string {
  const base = h5path.split('/').filter(Boolean).slice(-2).join('_') || 'data';
  const part = slice.replace(/[\s[\]]/g, '').replace(/,/g, '_').replace(/:/g, '-');
  return `${base}${part ? `_${part}` : ''}.${extension}`.replace(/[^\w.+-]/g, '_');
}
