import { useRef } from 'react';

/** Equal lists and plain objects of numbers and words. */
export function same(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) {
    return true;
  }
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null || Array.isArray(one) !== Array.isArray(other)) {
    return false;
  }
  const [mine, theirs] = [one as Record<string, unknown>, other as Record<string, unknown>];
  const keys = Object.keys(mine);
  return keys.length === Object.keys(theirs).length && keys.every(key => key in theirs && same(mine[key], theirs[key]));
}

/** The value before, as long as it says the same: nothing that depends on it is computed or asked for again. */
export function useSame<T>(value: T): T {
  const kept = useRef(value);
  if (!same(kept.current, value)) {
    kept.current = value;
  }
  return kept.current;
}

/** Always what it was last: for effects that use something but do not run because of it. */
export function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value);
  latest.current = value;
  return latest;
}
