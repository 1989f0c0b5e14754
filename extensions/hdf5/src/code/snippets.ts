import type { IType } from '../api/types';
import { expanded, keptDimensions, parseSlice, pyIndex, pyString, pyTuple, variableName } from './python';
import type { ISliceItem } from './python';
import type { Flavour, ISubject } from './subject';

export interface ISnippet {
  code: string;
  /** Holds the data afterwards. */
  variable: string;
}

/** More than this is not read at once unless somebody asked for it. */
const AT_ONCE_BYTES = 1e9;

/** Filters that HDF5 itself has: deflate, shuffle, fletcher32, szip, nbit, scaleoffset, and h5py's lzf. */
const BUILT_IN_FILTERS = new Set([1, 2, 3, 4, 5, 6, 32000]);

/** Types that h5py hands over as they are; the others need more words. */
type Reading = 'plain' | 'text' | 'reference' | 'undecoded' | 'empty';

interface IPlan {
  subject: ISubject;
  variable: string;
  items: ISliceItem[];
  reading: Reading;
  /** Why only a part is read. */
  remark: string;
}

/** Python that reads this, in one of the flavours. @throws SliceError */
export function snippet(flavour: Flavour, subject: ISubject): ISnippet {
  const variable = variableName(subject.h5path);
  if (subject.kind !== 'dataset') {
    return { code: groupCode(flavour, subject, variable), variable };
  }
  const plan = planFor(subject, variable);
  return { code: `${datasetCode(flavour, plan)}\n${variable}`, variable };
}

function planFor(subject: ISubject, variable: string): IPlan {
  const reading = readingOf(subject.type, subject.shape);
  const items = reading === 'empty' ? [] : expanded(parseSlice(subject.slice ?? ''), subject.shape?.length);
  const nbytes = subject.storage?.nbytes ?? 0;
  const whole = items.every(item => item.text === ':');
  if (whole && nbytes > AT_ONCE_BYTES && (subject.shape?.length ?? 0) > 0) {
    const first = subject.shape?.length === 1 ? ':1000000' : '0';
    const remark = `  # all of it is ${(nbytes / 1e9).toFixed(1)} GB`;
    return { subject, variable, items: expanded(parseSlice(first), subject.shape?.length), reading, remark };
  }
  return { subject, variable, items, reading, remark: '' };
}

function readingOf(type?: IType, shape?: number[] | null): Reading {
  if (shape === null) {
    return 'empty';
  }
  switch (type?.class) {
    case 'string':
      return 'text';
    case 'reference':
      return 'reference';
    case 'time':
    case 'unknown':
      return 'undecoded';
    default:
      return 'plain';
  }
}

function datasetCode(flavour: Flavour, plan: IPlan): string {
  const { reading, subject } = plan;
  if (!isRemote(subject.path) && !isUndecoded(subject.h5path) && (reading === 'plain' || reading === 'text')) {
    switch (flavour) {
      case 'silx':
        return silxCode(plan);
      case 'nexusformat':
        return nexusCode(plan) ?? h5pyCode(plan);
      case 'xarray':
        return xarrayCode(plan);
      case 'scipp':
        return scippCode(plan) ?? h5pyCode(plan);
    }
  }
  return h5pyCode(plan);
}

// One flavour each

function h5pyCode(plan: IPlan): string {
  const imports = [...(isRemote(plan.subject.path) ? ['import fsspec'] : []), 'import h5py', ...filters(plan.subject)];
  return lines(...imports, ...needsNumpy(plan), '', `with ${h5pyFile(plan.subject)} as h5:`, ...body(plan));
}

function silxCode(plan: IPlan): string {
  const { subject, variable, items } = plan;
  if (plan.reading === 'text') {
    return lines('import silx.io', '', `with silx.io.open(${pyString(subject.path)}) as h5:`, ...body(plan));
  }
  const parts = [`file_path=${pyString(subject.path)}`, `data_path=${pyString(subject.h5path)}`];
  if (pyIndex(items) !== '()') {
    parts.push(`data_slice=${pyTuple(items)}`);
  }
  parts.push('scheme="silx"');
  return lines(
    'from silx.io import get_data',
    'from silx.io.url import DataUrl',
    '',
    'url = DataUrl(',
    ...parts.map(part => `    ${part},`),
    ')',
    `${variable} = get_data(url)${plan.remark}`
  );
}

function nexusCode(plan: IPlan): string | null {
  const { subject, variable, items } = plan;
  if (!nexusformatReads(subject)) {
    return null;
  }
  // Without a slice nexusformat reads when the values are used.
  const index = pyIndex(items) === '()' || plan.remark ? '' : `[${pyIndex(items)}]`;
  return lines(
    ...filters(subject),
    'from nexusformat.nexus import nxload',
    '',
    `root = nxload(${pyString(subject.path)})`,
    `${variable} = root[${pyString(subject.h5path)}]${index}`
  );
}

function xarrayCode(plan: IPlan): string {
  const { subject, variable, items } = plan;
  const rank = subject.shape?.length;
  const kept = rank === undefined ? null : keptDimensions(items, rank);
  // The dimensions of an array type come after the data set's own, and have no names.
  const dims = kept?.length && subject.type?.class !== 'array' ? `        dims=(${kept.map(d => pyString(`dim_${d}`)).join(', ')},),` : null;
  return lines(
    'import h5py',
    ...filters(subject),
    'import xarray as xr',
    '',
    `with ${h5pyFile(subject)} as h5:`,
    `    dataset = h5[${pyString(subject.h5path)}]`,
    `    ${variable} = xr.DataArray(`,
    `        dataset${decoder(plan)}[${pyIndex(items)}],${plan.remark}`,
    ...(dims ? [dims] : []),
    `        name=${pyString(variable)},`,
    '        attrs=dict(dataset.attrs),',
    '    )'
  );
}

/** What scipp calls the type, or null if it has none; `cast` where the values must be converted. */
function scippType(type?: IType): { name: string; cast: boolean } | null {
  switch (type?.class) {
    case 'boolean':
      return { name: 'bool', cast: false };
    case 'string':
      return { name: 'str', cast: true };
    case 'float': {
      const name = type.size <= 4 ? 'float32' : 'float64';
      return { name, cast: type.order === 'big' || ![4, 8].includes(type.size) };
    }
    case 'enum':
      return { name: 'int64', cast: true };
    case 'integer': {
      if (type.size === 8 && !type.signed) {
        return { name: 'float64', cast: true }; // scipp's integers end at 2^63
      }
      const small = type.size < 4 || (type.size === 4 && type.signed);
      const exact = type.signed && type.order === 'little' && (type.size === 4 || type.size === 8);
      return { name: small ? 'int32' : 'int64', cast: !exact };
    }
    default:
      return null;
  }
}

/** Units that scipp surely knows; it refuses others. */
export const SCIPP_UNITS: readonly string[] = (
  'm cm mm um nm pm angstrom 1/angstrom s ms us ns K eV keV meV MeV J A mA V mV W Pa kPa MPa bar Hz kHz MHz deg rad mrad ' +
  'counts one kg g T'
).split(' ');

function scippCode(plan: IPlan): string | null {
  const { subject, variable, items } = plan;
  const type = scippType(subject.type);
  const rank = subject.shape?.length;
  if (!type || rank === undefined || (type.name === 'str' && rank > 1)) {
    return null;
  }
  const kept = keptDimensions(items, rank);
  const dims = kept.map(d => pyString(`dim_${d}`)).join(', ');
  const cast = type.cast && kept.length ? `.astype(${pyString(type.name)})` : '';
  const unit = SCIPP_UNITS.includes(subject.units ?? '') ? `, unit=${pyString(subject.units as string)}` : '';
  const make = kept.length
    ? `sc.array(dims=[${dims}], values=values${cast}${unit})`
    : `sc.scalar(${scalarOf(type.name)}(values)${unit})`;
  return lines(
    'import h5py',
    ...filters(subject),
    'import scipp as sc',
    '',
    `with ${h5pyFile(subject)} as h5:`,
    `    values = h5[${pyString(subject.h5path)}]${decoder(plan)}[${pyIndex(items)}]${plan.remark}`,
    `${variable} = ${make}`
  );
}

function scalarOf(name: string): string {
  return name.startsWith('int') ? 'int' : name.startsWith('float') ? 'float' : name;
}

function groupCode(flavour: Flavour, subject: ISubject, variable: string): string {
  const h5path = pyString(subject.h5path);
  if (isRemote(subject.path)) {
    return lines(
      'import fsspec',
      'import h5py',
      '',
      `h5 = h5py.File(fsspec.open(${pyString(subject.path)}).open(), "r")`,
      `${variable} = h5[${h5path}]`,
      shown(subject, variable)
    );
  }
  if (flavour === 'nexusformat' && subject.kind === 'group') {
    return lines(
      'from nexusformat.nexus import nxload',
      '',
      `root = nxload(${pyString(subject.path)})`,
      `${variable} = root${subject.h5path === '/' ? '' : `[${h5path}]`}`,
      `print(${variable}.tree)`
    );
  }
  const open = flavour === 'silx' ? `silx.io.open(${pyString(subject.path)})` : h5pyFile(subject);
  return lines(
    flavour === 'silx' ? 'import silx.io' : 'import h5py',
    '',
    `h5 = ${open}`,
    `${variable} = h5[${h5path}]`,
    shown(subject, variable)
  );
}

function shown(subject: ISubject, variable: string): string {
  return subject.kind === 'datatype' ? `${variable}.dtype` : `list(${variable})`;
}

// Shared parts

/** The lines within `with … as h5:` that read with h5py. */
function body(plan: IPlan): string[] {
  const { subject, variable, items } = plan;
  const dataset = h5object(subject.h5path);
  const index = pyIndex(items);
  switch (plan.reading) {
    case 'empty':
      return [`    ${variable} = ${dataset}[()]  # a null dataspace: there are no values`];
    case 'reference':
      return [
        '    def name_of(reference):  # a reference is of use only while the file is open',
        '        return (h5py.h5r.get_name(reference, h5.id) or b"").decode() if reference else ""',
        '',
        `    names_of = np.vectorize(name_of, otypes=[object])`,
        `    ${variable} = names_of(${dataset}[${index}])${plan.remark}`
      ];
    case 'undecoded':
      return [
        `    dataset = ${dataset}`,
        '    stored = dataset.id.get_type()  # numpy has no such type: the bytes as they are stored',
        `    ${variable} = np.empty(dataset.shape, f"V{stored.get_size()}")`,
        `    dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, ${variable}, stored)`,
        ...(index === '()' ? [] : [`    ${variable} = ${variable}[${index}]`])
      ];
    default:
      return [`    ${variable} = ${dataset}${decoder(plan)}[${index}]${plan.remark}`];
  }
}

/** A name that is no UTF-8 reaches the browser with replacement characters, and Python as bytes. */
function isUndecoded(h5path: string): boolean {
  return h5path.includes('\ufffd');
}

function h5object(h5path: string): string {
  const at = h5path.lastIndexOf('/');
  const [parent, name] = [h5path.slice(0, at) || '/', h5path.slice(at + 1)];
  if (!isUndecoded(name) || isUndecoded(parent)) {
    return `h5[${pyString(h5path)}]`;
  }
  const group = `h5[${pyString(parent)}]`;
  const decoded = 'name if isinstance(name, str) else name.decode(errors="replace")';
  return `${group}[next(name for name in ${group} if (${decoded}) == ${pyString(name)})]`;
}

/** Text that is not valid gets a replacement character instead of an exception. */
function decoder(plan: IPlan): string {
  return plan.reading === 'text' ? '.asstr(errors="replace")' : '';
}

function needsNumpy(plan: IPlan): string[] {
  return plan.reading === 'reference' || plan.reading === 'undecoded' ? ['import numpy as np'] : [];
}

function filters(subject: ISubject): string[] {
  const { storage } = subject;
  const needed = storage
    ? storage.layout === 'virtual' || storage.filters.some(filter => !BUILT_IN_FILTERS.has(filter.id))
    : subject.kind === 'dataset' && !isRemote(subject.path);
  return needed ? ['import hdf5plugin  # noqa: F401 - the filters'] : [];
}

function h5pyFile(subject: ISubject): string {
  const path = pyString(subject.path);
  return isRemote(subject.path) ? `fsspec.open(${path}) as remote, h5py.File(remote, "r")` : `h5py.File(${path}, "r")`;
}

export function isRemote(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/** nexusformat has no field for these. */
function nexusformatReads(subject: ISubject): boolean {
  if (subject.type?.class === 'string') {
    return (subject.shape?.length ?? 0) < 2;
  }
  return ['integer', 'float', 'boolean', 'complex', undefined].includes(subject.type?.class);
}

function lines(...all: string[]): string {
  return all.join('\n');
}
