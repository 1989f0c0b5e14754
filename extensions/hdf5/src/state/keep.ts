import type { IEntity, ViewKind } from '../api/types';
import { parseSlice } from './slicing';
import type { IViewState } from './viewState';

/** What was looked at last, so that the next data set can be looked at alike. */
export interface IRemembered {
  state: IViewState;
  shape: readonly number[] | null;
}

/** How a picture or curve is drawn, whatever it shows. */
const LOOKS = ['colorMap', 'invertColorMap', 'keepAspect', 'reduce', 'mask'] as const;
/** What only fits another data set of the same kind. */
const KEPT = ['range', 'scale'] as const;

/**
 * The state in which the next data set is shown.
 *
 * Colours and the like always stay. With `keep`, range, scale, zoom, regions and the slice stay as well if the next one is alike:
 * equal view, equal number of dimensions, for zoom and regions also the shown shape.
 */
export function carryOver(next: IViewState, before: IRemembered | null, keep: boolean, entity?: IEntity): IViewState {
  if (!before) {
    return next;
  }
  const state: IViewState = { ...pick(before.state, LOOKS), ...next };
  if (!keep || !entity) {
    return state;
  }
  const shape = entity.plot?.shape ?? entity.shape ?? null;
  if (!alike(before, shape, next.vis ?? entity.views[0], entity.views)) {
    return state;
  }
  const kept: IViewState = { ...pick(before.state, KEPT), ...state };
  if (next.vis === undefined && before.state.vis && entity.views.includes(before.state.vis)) {
    kept.vis = before.state.vis;
  }
  if (next.slice === undefined && before.state.slice !== undefined && fits(before.state.slice, shape as number[])) {
    Object.assign(kept, { ...pick(before.state, ['slice', 'axes']), ...pick(next, ['axes']) });
  }
  if (sameFrame(before.shape as number[], shape as number[])) {
    Object.assign(kept, { ...pick(before.state, ['zoom', 'roi', 'profile']), ...pick(next, ['zoom', 'roi', 'profile']) });
  }
  return kept;
}

function alike(before: IRemembered, shape: readonly number[] | null, vis: ViewKind, views: ViewKind[]): boolean {
  const same = before.state.vis === undefined || before.state.vis === vis || views.includes(before.state.vis);
  return same && shape !== null && before.shape !== null && shape.length === before.shape.length;
}

function sameFrame(one: readonly number[], other: readonly number[]): boolean {
  return one.slice(-2).join() === other.slice(-2).join();
}

function fits(slice: string, shape: readonly number[]): boolean {
  try {
    parseSlice(slice, shape);
    return true;
  } catch {
    return false;
  }
}

function pick(state: IViewState, keys: readonly (keyof IViewState)[]): Partial<IViewState> {
  return Object.fromEntries(keys.filter(key => state[key] !== undefined).map(key => [key, state[key]]));
}
