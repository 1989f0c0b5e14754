import { describe, expect, it } from 'vitest';
import { roundValues, scaled, ticks } from '../ticks';

describe('ticks', () => {
  it('are round values', () => {
    expect(roundValues(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(roundValues(-0.3, 0.3, 6)).toEqual([-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3].map(v => v || 0));
    expect(roundValues(3, 3, 5)).toEqual([]);
  });

  it('are decades of a logarithm, with what lies between where there is room', () => {
    expect(ticks([1, 1e6], 'log', 6)).toEqual([1, 10, 100, 1000, 1e4, 1e5, 1e6]);
    expect(ticks([1, 100], 'log', 9)).toEqual([1, 2, 5, 10, 20, 50, 100]);
    expect(ticks([1, 1e9], 'log', 3)).toEqual([1, 1000, 1e6, 1e9]);
    expect(ticks([2, 8], 'log', 4)).toEqual([2, 4, 6, 8]);
    expect(ticks([0, 8], 'log', 4)).toEqual([]);
  });

  it('of other scales cross zero', () => {
    expect(ticks([-100, 100], 'symlog', 4)).toEqual([-100, -10, -1, 0, 1, 10, 100]);
    expect(ticks([0, 9], 'sqrt', 3)).toEqual([0, 5]);
    expect(scaled(-99, 'symlog')).toBeCloseTo(-2, 9);
    expect(scaled(9, 'sqrt')).toBe(3);
  });
});
