/** What the server says, field for field. The Python side is `panosc_hdf5/core`; `openapi.yaml` describes both. */

/** A failure in words. */
export interface IProblem {
  code: string;
  message: string;
  remedy?: string;
  details?: Record<string, unknown>;
}

export type Sort = 'natural' | 'name' | 'creation' | 'start_time' | 'native';

export interface ILink {
  type: 'hard' | 'soft' | 'external';
  /** Path within the target's file. */
  target?: string;
  /** External links: the file as the link names it. */
  file?: string;
  /** External links: the target as a contents path that can be opened; absent if it lies outside of the root. */
  contents_path?: string;
}

/** An HDF5 type. */
export type IType =
  | { class: 'integer'; size: number; signed: boolean; order: 'little' | 'big' }
  | { class: 'float'; size: number; order: 'little' | 'big' }
  | { class: 'complex'; size: number }
  | { class: 'boolean' }
  | { class: 'string'; charset: 'ascii' | 'utf-8'; length: number | null }
  | { class: 'enum'; base: IType; members: Record<string, number> }
  | { class: 'compound'; size: number; fields: { name: string; type: IType }[] }
  | { class: 'array'; base: IType; dims: number[] }
  | { class: 'vlen'; base: IType }
  | { class: 'opaque'; size: number; tag: string }
  | { class: 'reference'; to: 'object' | 'region' }
  | { class: 'time' | 'bitfield' | 'unknown'; size?: number };

export interface IFilter {
  id: number;
  name: string;
  options: number[];
  /** Whether this server can decode it. */
  available: boolean;
}

export interface IStorage {
  layout: 'compact' | 'contiguous' | 'chunked' | 'virtual' | 'external' | 'null';
  chunks?: number[];
  filters: IFilter[];
  /** Bytes in the file, and bytes decoded. */
  stored: number;
  nbytes: number;
  /** nbytes / stored; absent where nothing is stored. */
  ratio?: number;
  /** Virtual data sets: their sources. */
  sources?: { file: string; path: string; contents_path?: string; missing?: boolean }[];
}

/** A child of a group, as the tree shows it. */
export interface IChild {
  name: string;
  /** Absolute HDF5 path of this child. */
  h5path: string;
  kind: 'group' | 'dataset' | 'datatype' | 'error';
  link: ILink;
  nx_class?: string;
  /** Whether the NeXus default leads through here. */
  on_default_path?: boolean;
  /** Groups. */
  n_children?: number;
  title?: string;
  start_time?: string;
  /** Data sets. */
  shape?: number[] | null;
  dtype?: string;
  type?: IType;
  storage?: IStorage;
  /** Why it can't be opened; kind is "error". */
  error?: IProblem;
}

export interface IChildren {
  h5path: string;
  total: number;
  offset: number;
  sort: Sort;
  children: IChild[];
}

export interface IAttribute {
  name: string;
  shape: number[] | null;
  dtype: string;
  type: IType;
  /** JSON; 64-bit integers beyond 2^53 and NaN/inf as strings. */
  value: unknown;
  /** True if only the first part is here. */
  truncated?: boolean;
  error?: IProblem;
}

export interface IMatch {
  h5path: string;
  kind: IChild['kind'];
  nx_class?: string;
  shape?: number[] | null;
  dtype?: string;
  /** Attribute matches: "name = value". */
  attribute?: string;
}

export type SearchLine =
  | { match: IMatch }
  | { progress: { visited: number } }
  | { done: { visited: number; matches: number; truncated: boolean } };

/** One object, with what is needed to show it. */
export interface IEntity extends IChild {
  maxshape?: (number | null)[];
  attributes: IAttribute[];
  /** What to plot and how; absent for what is only text or numbers. */
  plot?: IPlot;
  /** Views that make sense here, the best first. */
  views: ViewKind[];
}

export type ViewKind = 'scalar' | 'line' | 'heatmap' | 'scatter' | 'rgb' | 'matrix' | 'compound' | 'complex' | 'raw' | 'group';

export interface IAxis {
  /** HDF5 path of the axis' data set; absent for an index axis. */
  h5path?: string;
  label: string;
  units?: string;
  /** Which dimension of the signal. */
  dimension: number;
  /** Values if there are at most 100,000, in the envelope's arrays under `axis<dimension>`. */
  has_values: boolean;
  scale: 'linear' | 'log';
  /** Path of its standard deviations. */
  errors?: string;
}

/** A resolved NXdata, or a plain data set. */
export interface IPlot {
  signal: string;
  title: string;
  units?: string;
  shape: number[];
  dtype: string;
  interpretation?: 'scalar' | 'spectrum' | 'image' | 'rgb-image' | 'vertex';
  scale: 'linear' | 'log' | null;
  axes: IAxis[];
  errors?: string;
  auxiliary: { h5path: string; label: string; errors?: string }[];
  scatter?: boolean;
  /** Detector: which mask applies, which raw values mean "no value", and what is needed for q. */
  mask?: string;
  sentinels: number[];
  geometry?: IGeometry;
  /** NXdata that breaks the rules: what was wrong, and that the signal is shown without it. */
  problems: IProblem[];
}

export interface IGeometry {
  beam_x: number;
  beam_y: number;
  /** Metres. */
  distance: number;
  pixel_x: number;
  pixel_y: number;
  /** Angstrom. */
  wavelength?: number;
  source: string;
}

export interface IFileInfo {
  name: string;
  size: number;
  /** Seconds since 1970. */
  mtime: number;
  /** Whether a writer has it open, as far as can be told. */
  being_written: boolean;
  remote: boolean;
}

export interface IStats {
  n: number;
  n_valid: number;
  n_masked: number;
  n_sentinel: number;
  n_nan: number;
  n_inf: number;
  /** Of valid values; null where there are none. */
  min: number | null;
  max: number | null;
  positive_min: number | null;
  mean: number | null;
  std: number | null;
  percentiles: Record<string, number>;
  /** Over the useful range; what only outliers are in is left out, and how many they are is said. */
  histogram: { counts: number[]; edges: number[]; below: number; above: number };
  /** False: from a sample (the first preview of a big image). */
  exact: boolean;
}

/** Header of `view`: a window of a 2-D slice, reduced to what a screen needs. Arrays: `data`, and `axis…` in `open`. */
export interface IViewHeader {
  h5path: string;
  /** The slice, normalised: one entry a dimension, `:` for the two shown ones. */
  slice: string;
  /** Dimensions shown as y and x. */
  dimensions: [number, number];
  /** Of the whole slice. */
  size: { height: number; width: number };
  /** [y0, y1, x0, x1] of the data, in pixels of the whole slice, half open. */
  window: [number, number, number, number];
  /** One pixel here is this many there. */
  factor: number;
  reduce: Reducer;
  /** The value in `data` that means masked or no value; null: NaN. */
  fill: number | null;
  stats: IStats;
  mask: string | null;
  /** Whether to show it with a logarithmic scale, and which range is useful. */
  suggested: { scale: 'linear' | 'log'; domain: [number, number] };
  complete: boolean;
}

export type Reducer = 'max' | 'mean' | 'min' | 'first';

export interface IOpen {
  file: IFileInfo;
  root: IChildren;
  /** Where NeXus' defaults lead, else the first thing worth a plot, else null. */
  default_path: string | null;
  /** The default's (or the asked for) entity. */
  entity: IEntity;
  /** Pages of the groups on the way to it, so that the tree can show it without asking again. */
  ancestors: IChildren[];
  /** First picture or curve; absent where there is none. */
  view?: IViewHeader;
  line?: ILineHeader;
}

/** Header of `line`. Arrays: `x` (bucket starts, index), `min`, `max`, `first`; where a bucket is one sample only `x` and `first`. */
export interface ILineHeader {
  h5path: string;
  slice: string;
  dimension: number;
  length: number;
  range: [number, number];
  bucket: number;
  stats: Pick<IStats, 'n' | 'n_valid' | 'min' | 'max' | 'positive_min'>;
}

/** Header of `trace` and `roi`. Arrays: `value` for trace; `sum`, `mean`, `max`, `min` for roi; index along `axis`. */
export interface ITraceHeader {
  h5path: string;
  axis: number;
  length: number;
  /** Frames done so far, from 0; roi is streamed. */
  done: number;
  complete: boolean;
  units?: string;
}

/** Header of `profile`. Arrays: `distance` (pixels), `value`, `y`, `x`. */
export interface IProfileHeader {
  h5path: string;
  length: number;
}

/** Header of `azimuthal`. Arrays: `radial`, `intensity`, `sigma`, `count`. */
export interface IAzimuthalHeader {
  h5path: string;
  unit: 'q' | '2theta' | 'r';
  units: string;
  method: 'pyFAI' | 'numpy';
  geometry: IGeometry | null;
}

/** Exact values for tables. */
export interface IValues {
  h5path: string;
  slice: string;
  shape: number[];
  type: IType;
  /** Nested like shape; see IAttribute.value. */
  values: unknown;
}

export interface IFinding {
  level: 'error' | 'warning' | 'note';
  h5path: string;
  message: string;
  /** Section of the NeXus manual or definition. */
  source?: string;
}

export interface ILiveState {
  shape: number[] | null;
  size: number;
  mtime_ns: number;
  error?: IProblem;
}
