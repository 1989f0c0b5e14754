import type { IClient } from '../api/client';
import type { IAxis, IGeometry, IPlot, IViewHeader } from '../api/types';
import type { ChangeState, IViewState } from '../state/viewState';
import type { IImageSize } from './shapes';

/** What every measuring panel knows about the image that it measures. */
export interface IMeasured {
  client: IClient;
  h5path: string;
  slice: string;
  shape: readonly number[];
  yDimension: number;
  xDimension: number;
  /** Rows on the screen are the data set's columns. */
  turned: boolean;
  image: IImageSize;
  plot: IPlot | undefined;
  units: string | undefined;
  axes: readonly IAxis[];
  geometry: IGeometry | undefined;
  header: IViewHeader | undefined;
  state: IViewState;
  change: ChangeState;
  revision: number;
  theme: 'light' | 'dark';
}

/** Dimensions that a stack can be followed along: all that are not shown. */
export function stackDimensions({ shape, yDimension, xDimension }: Pick<IMeasured, 'shape' | 'yDimension' | 'xDimension'>): number[] {
  return shape.flatMap((length, d) => (d !== yDimension && d !== xDimension && length > 1 ? [d] : []));
}

export function dimensionName(axes: readonly IAxis[], dimension: number): string {
  return axes.find(axis => axis.dimension === dimension)?.label || `dimension ${dimension}`;
}
