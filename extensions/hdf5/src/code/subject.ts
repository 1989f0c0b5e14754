import type { IChild, IEntity, IStorage, IType } from '../api/types';

/** How a snippet reads. */
export type Flavour = 'h5py' | 'silx' | 'nexusformat' | 'xarray' | 'scipp';
export const FLAVOURS: readonly Flavour[] = ['h5py', 'silx', 'nexusformat', 'xarray', 'scipp'];

export function isFlavour(value: unknown): value is Flavour {
  return FLAVOURS.includes(value as Flavour);
}

/** What code is written about. */
export interface ISubject {
  /** The file as the notebook sees it, or its URL. */
  path: string;
  h5path: string;
  /** Numpy syntax. */
  slice?: string;
  kind: IChild['kind'];
  /** What is known of a data set; without it the code is the plainest. */
  type?: IType;
  shape?: number[] | null;
  storage?: IStorage;
  units?: string;
}

/** What is known of the object. */
export function subjectOf(path: string, h5path: string, slice?: string, known?: IChild | IEntity): ISubject {
  const subject: ISubject = { path, h5path, slice: slice || undefined, kind: known?.kind ?? 'dataset' };
  if (known?.kind === 'dataset') {
    const { type, shape, storage } = known;
    Object.assign(subject, { type, shape, storage, units: unitsOf(known) });
  }
  return subject;
}

function unitsOf(known: IChild | IEntity): string | undefined {
  const value = 'attributes' in known ? known.attributes.find(attribute => attribute.name === 'units')?.value : undefined;
  return typeof value === 'string' ? value : undefined;
}
