import type { IViewState } from '../state/viewState';
import { traitsOf } from '../widget/traits';
import { parseSlice, pyString } from './python';

/** Traits that the call names; the first two have their places. */
const SKIPPED = new Set(['h5path', 'slice']);
const UNSAID = new Map<string, unknown>([
  ['invert_color_map', false],
  ['follow', false],
  ['mask', 'auto']
]);

/** Python that shows this in a cell, as it is shown now. */
export function viewCode(path: string, state: IViewState): string {
  const parts = [pyString(path), pyString(state.h5path)];
  const slice = parseSlice(state.slice ?? '').map(item => item.text);
  if (slice.length) {
    parts.push(`slice=${pyString(slice.join(', '))}`);
  }
  for (const [trait, value] of Object.entries(traitsOf(state))) {
    const empty = value === null || (Array.isArray(value) && !value.length) || UNSAID.get(trait) === value;
    if (!SKIPPED.has(trait) && !empty) {
      parts.push(`${trait}=${pyValue(value)}`);
    }
  }
  return `import panosc_hdf5\n\npanosc_hdf5.view(${parts.join(', ')})`;
}

/** A JSON value as a Python literal. */
export function pyValue(value: unknown): string {
  if (value === null || value === undefined) {
    return 'None';
  }
  if (typeof value === 'boolean') {
    return value ? 'True' : 'False';
  }
  if (typeof value === 'number') {
    return Number.isFinite(value) ? String(value) : `float(${pyString(String(value))})`;
  }
  if (typeof value === 'string') {
    return pyString(value);
  }
  if (Array.isArray(value)) {
    return `[${value.map(pyValue).join(', ')}]`;
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return `{${entries.map(([name, item]) => `${pyString(name)}: ${pyValue(item)}`).join(', ')}}`;
}
