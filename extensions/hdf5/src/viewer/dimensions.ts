import type { IArray } from '../api/client';
import type { IEntity, ViewKind } from '../api/types';

/** How many dimensions a view shows, and what its axes are called; null where slices make no sense. */
export function axisNames(kind: ViewKind, ndim: number): string[] | null {
  switch (kind) {
    case 'line':
      return ['X'];
    case 'heatmap':
      return ['Y', 'X'];
    case 'rgb':
      return ['Y', 'X', 'colour'];
    case 'complex':
      return ndim > 1 ? ['Y', 'X'] : ['X'];
    case 'matrix':
      return ndim > 1 ? ['rows', 'columns'] : ['rows'];
    case 'compound':
      return ['rows'];
    default:
      return null;
  }
}

/** The shape that slices count in: the signal's for NXdata. */
export function shapeOf(entity: IEntity): number[] {
  return entity.plot?.shape ?? entity.shape ?? [];
}

/** With the shape that the file has now. */
export function grown(entity: IEntity, shape: number[] | null): IEntity {
  const now = shapeOf(entity);
  if (!shape || shape.length !== now.length || shape.join() === now.join()) {
    return entity;
  }
  return { ...entity, shape: entity.shape && shape, plot: entity.plot && { ...entity.plot, shape } };
}

/** The dimension that "follow last" moves along: the first that may grow and is not shown. */
export function growingDimension(entity: IEntity, shown: readonly number[]): number | null {
  const shape = shapeOf(entity);
  const hidden = shape.map((_, d) => d).filter(d => !shown.includes(d));
  const grows = hidden.find(d => entity.maxshape?.[d] === null);
  return grows ?? hidden[0] ?? null;
}

/** What a dimension is called, from its axis. */
export function dimensionName(entity: IEntity, dimension: number): string {
  const axis = entity.plot?.axes.find(one => one.dimension === dimension);
  return axis?.label || `D${dimension}`;
}

/** Where on its axis an element lies, in words; empty without an axis. */
export function axisValue(entity: IEntity, arrays: Record<string, IArray>, dimension: number, index: number): string {
  const axis = entity.plot?.axes.find(one => one.dimension === dimension);
  const value = arrays[`axis${dimension}`]?.values[index];
  if (!axis || value === undefined) {
    return '';
  }
  const number = typeof value === 'bigint' ? String(value) : String(Number(value.toPrecision(6)));
  return axis.units ? `${number} ${axis.units}` : number;
}
