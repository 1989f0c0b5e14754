import { describe, expect, it } from 'vitest';
import { afterKey } from '../keys';

describe('keys', () => {
  const full: [number, number, number, number] = [0, 100, 0, 200];
  it('zoom, move within the image, and show everything again', () => {
    const near = afterKey('+', undefined, full, true)!;
    expect(near.map(v => Math.round(v))).toEqual([17, 83, 33, 167]);
    expect(afterKey('-', near, full, true)).toBeNull();
    expect(afterKey('0', near, full, true)).toBeNull();
    expect(afterKey('ArrowDown', [0, 50, 0, 50], full, true)).toEqual([10, 60, 0, 50]);
    expect(afterKey('ArrowDown', [20, 70, 0, 50], full, false)).toEqual([10, 60, 0, 50]);
    expect(afterKey('ArrowLeft', [0, 50, 0, 50], full, true)).toEqual([0, 50, 0, 50]);
    expect(afterKey('ArrowRight', [0, 50, 140, 190], full, true)).toEqual([0, 50, 150, 200]);
    expect(afterKey('x', near, full, true)).toBeUndefined();
  });
});
