import type { IClient } from '../../api/client';
import type { IEntity } from '../../api/types';
import type { ISource, IViewState } from '../../state/viewState';
import { formatValue, withUnits } from '../format';
import { chooseDimensions, formatSlice, parseSlice, rangeOf, shownDimensions, sliceFor, withEntry } from '../slices';
import type { IAbscissa, ICurveSource } from './curves';

/** More lines than this of one stack are a grey band. */
export const MAX_STACK = 20;

/** The curves of an entity: the signal (or several rows of it), then the auxiliary signals. */
export function curvesOf(
  client: IClient,
  entity: IEntity,
  state: Pick<IViewState, 'slice' | 'axes' | 'x'>,
  axisValues: Record<number, ArrayLike<number>>
): ICurveSource[] {
  const plot = entity.plot;
  const h5path = plot?.signal ?? entity.h5path;
  const shape = plot?.shape ?? entity.shape ?? [];
  const axes = state.axes && state.axes.length > 0 ? [state.axes[state.axes.length - 1]] : undefined;
  const [dimension] = chooseDimensions(shape, 1, state.slice, axes);
  const x = abscissa(entity, state.x, dimension, axisValues);
  const label = plot?.title || h5path;
  const base = { client, h5path, label, units: plot?.units, errors: plot?.errors, length: shape[dimension], x };
  if (shape.length === 0) {
    return [];
  }
  const rows = stackOf(entity, shape, dimension, state.slice);
  if (rows) {
    return rows.slices.map((slice, i) => ({
      ...base,
      key: `${h5path} ${slice}`,
      slice,
      label: rowLabel(entity, rows.dimension, rows.indices[i], axisValues)
    }));
  }
  const slice = formatSlice(sliceFor(shape, [dimension], state.slice));
  const auxiliary = (plot?.auxiliary ?? []).map(aux => ({
    ...base,
    key: aux.h5path,
    h5path: aux.h5path,
    slice,
    label: aux.label,
    units: undefined,
    errors: aux.errors
  }));
  return [{ ...base, key: `${h5path} ${slice}`, slice }, ...auxiliary];
}

function abscissa(
  entity: IEntity,
  own: string | undefined,
  dimension: number,
  axisValues: Record<number, ArrayLike<number>>
): IAbscissa | undefined {
  if (own !== undefined) {
    return { h5path: own };
  }
  const axis = entity.plot?.axes.find(candidate => candidate.dimension === dimension);
  const values = axisValues[dimension];
  return values ? { values } : axis?.h5path !== undefined ? { h5path: axis.h5path } : undefined;
}

/** A stack of spectra as several lines: where the slice shows two dimensions, or the file says that it holds few spectra. */
function stackOf(
  entity: IEntity,
  shape: readonly number[],
  dimension: number,
  slice: string | undefined
): { dimension: number; indices: number[]; slices: string[] } | undefined {
  const spectra = entity.plot?.interpretation === 'spectrum' && shape.length === 2 && shape[1 - dimension] <= MAX_STACK;
  const text = slice ?? (spectra ? shape.map(() => ':').join(', ') : undefined);
  if (text === undefined) {
    return undefined;
  }
  const entries = parseSlice(text, shape.length);
  const others = shownDimensions(entries).filter(d => d !== dimension);
  if (others.length !== 1) {
    return undefined;
  }
  const [other] = others;
  const { start, step, count } = rangeOf(entries[other], shape[other]);
  if (count < 2) {
    return undefined;
  }
  const shown = Math.min(count, MAX_STACK);
  const indices = Array.from({ length: shown }, (_, i) => start + step * Math.round((i * (count - 1)) / (shown - 1)));
  return { dimension: other, indices, slices: indices.map(index => formatSlice(withEntry(entries, other, index))) };
}

function rowLabel(entity: IEntity, dimension: number, index: number, axisValues: Record<number, ArrayLike<number>>): string {
  const axis = entity.plot?.axes.find(candidate => candidate.dimension === dimension);
  const value = axisValues[dimension]?.[index];
  if (!axis || value === undefined) {
    return `[${index}]`;
  }
  return `${axis.label} ${withUnits(formatValue(value), axis.units)}`;
}

/** A further curve: what it is, is asked of its file. */
export async function furtherCurve(source: ISource, client: IClient, signal: AbortSignal): Promise<ICurveSource> {
  const entity = await client.json<IEntity>('entity', { h5path: source.h5path }, signal);
  const plot = entity.plot;
  const shape = plot?.shape ?? entity.shape ?? [];
  const [dimension] = chooseDimensions(shape, 1, source.slice, undefined);
  const axis = plot?.axes.find(candidate => candidate.dimension === dimension);
  const h5path = plot?.signal ?? entity.h5path;
  const slice = formatSlice(sliceFor(shape, [dimension], source.slice));
  const file = source.path === undefined ? '' : `${source.path.split('/').pop()} `;
  return {
    key: JSON.stringify(source),
    client,
    h5path,
    slice,
    label: `${file}${plot?.title || h5path}${shape.length > 1 ? ` [${slice}]` : ''}`,
    units: plot?.units,
    errors: plot?.errors,
    length: shape[dimension],
    x: axis?.h5path === undefined ? undefined : { h5path: axis.h5path }
  };
}

/** A further curve of equal length that says nothing of its x values lies on those of the first one. */
export function onCommonAxis(curves: ICurveSource[], further: ICurveSource[]): ICurveSource[] {
  const [first] = curves;
  return distinct([
    ...curves,
    ...further.map(curve => (curve.x || !first?.x || curve.length !== first.length || curve.client !== first.client ? curve : { ...curve, x: first.x }))
  ]);
}

/** Curves of the same name say which they are: by their file and the part of their path that they do not share. */
export function distinct(curves: ICurveSource[]): ICurveSource[] {
  return curves.map(curve => {
    const alike = curves.filter(other => other.label === curve.label);
    if (alike.length < 2) {
      return curve;
    }
    const steps = alike.map(stepsOf);
    const own = stepsOf(curve).filter((step, i) => step && steps.some(other => other[i] !== step));
    const label = [curve.label, ...own].join(' · ');
    return own.length ? { ...curve, label } : curve;
  });
}

function stepsOf({ client, h5path, slice }: ICurveSource): string[] {
  return [client.path, ...h5path.split('/'), /\d/.test(slice ?? '') ? slice! : ''];
}
