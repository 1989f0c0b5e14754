import type { IClient } from '../../api/client';
import type { IEntity, Reducer } from '../../api/types';
import { useFetched } from '../fetching';
import type { IVisProps } from '../props';
import { chooseDimensions, formatSlice, sliceFor } from '../slices';
import type { ICanvasSize } from './frames';
import { useFrame, type IShown } from './useFrame';

export interface IOther extends IShown {
  client: IClient;
  title: string;
}

const NOWHERE: ICanvasSize | undefined = undefined;

/** The image to compare with; undefined where there is none. */
export function useOther(
  { client, clientFor, state, revision }: IVisProps,
  slice: string,
  reduce: Reducer | undefined,
  canvas: ICanvasSize | undefined
): IOther | undefined {
  const source = state.compare;
  const other = source?.path === undefined ? client : clientFor(source.path);
  const key = source ? JSON.stringify([other.path, source.h5path]) : null;
  const entity = useFetched(key, signal => other.json<IEntity>('entity', { h5path: source!.h5path }, signal));
  const shape = entity.value?.plot?.shape ?? entity.value?.shape ?? [];
  const h5path = entity.value?.plot?.signal ?? entity.value?.h5path ?? '';
  const dimensions = chooseDimensions(shape, 2, source?.slice, state.axes);
  const text = source?.slice ?? (slice.split(',').length === shape.length ? slice : undefined);
  const own = formatSlice(sliceFor(shape, dimensions, text));
  const ready = source && entity.value && shape.length >= 2;
  const shown = useFrame(
    other,
    { h5path, reduce, mask: state.mask },
    own,
    shape,
    undefined,
    revision,
    ready ? canvas : NOWHERE
  );
  if (!source) {
    return undefined;
  }
  const problem =
    entity.problem ??
    (entity.value && shape.length < 2 ? { code: 'not_an_image', message: `${source.h5path} is no image.` } : shown.problem);
  const name = other === client ? '' : `${other.path.split('/').pop()}: `;
  return { ...shown, problem, client: other, title: `${name}${h5path} [${own}]` };
}
