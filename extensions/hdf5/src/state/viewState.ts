import type { Reducer, ViewKind } from '../api/types';

/** One more curve or image, from this file or another one. */
export interface ISource {
  /** Contents path of the file; absent: this file. */
  path?: string;
  h5path: string;
  slice?: string;
}

export type ScaleName = 'linear' | 'log' | 'symlog' | 'sqrt';

/** A rectangle in data pixels, half open: [y0, y1, x0, x1]. */
export type Window = [number, number, number, number];

/** Everything that says what is shown. It travels in deep links, in the restored layout, and as a widget's traits. */
export interface IViewState {
  h5path: string;
  vis?: ViewKind;
  /** Numpy syntax, one entry a dimension: `3, :, :`. Numbers fix a dimension, `:` shows it. */
  slice?: string;
  /** Which dimensions are shown as y and x (images), or as x (curves: the last). */
  axes?: number[];
  /** Colour or value range; absent: the useful one that the server suggests. */
  range?: [number, number];
  scale?: ScaleName;
  colorMap?: string;
  invertColorMap?: boolean;
  reduce?: Reducer;
  /** `auto`: pixel mask and sentinels off; `none`: everything as stored. */
  mask?: 'auto' | 'none';
  /** What of the image or curve is in sight. */
  zoom?: Window;
  keepAspect?: boolean;
  /** Show the last frame of a growing data set. */
  follow?: boolean;
  /** The region that is measured. */
  roi?: Window;
  /** The line that is measured: [y0, x0, y1, x1]. */
  profile?: [number, number, number, number];
  /** Own X axis for curves. */
  x?: string;
  /** Further curves on the same plot. */
  curves?: ISource[];
  /** The other image, and how the two are shown. */
  compare?: ISource;
  compareMode?: 'side' | 'difference' | 'swipe';
}

/** Change a part of the state; what is undefined is forgotten. */
export type ChangeState = (change: Partial<IViewState>) => void;
