import { renderHook } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { same, useSame } from '../same';

describe('what is the same', () => {
  it('is what says the same', () => {
    expect(same([1, NaN, ['a']], [1, NaN, ['a']])).toBe(true);
    expect(same({ a: [1] }, { a: [1] })).toBe(true);
    expect(same({ a: undefined }, { b: undefined })).toBe(false);
    expect(same([1], { 0: 1 })).toBe(false);
    expect(same([1, 2], [1])).toBe(false);
    expect(same(null, undefined)).toBe(false);
  });

  it('stays the same object', () => {
    const first = [1, 2];
    const { result, rerender } = renderHook(({ value }) => useSame(value), { initialProps: { value: first } });
    rerender({ value: [1, 2] });
    expect(result.current).toBe(first);
    rerender({ value: [1, 3] });
    expect(result.current).toEqual([1, 3]);
  });
});
