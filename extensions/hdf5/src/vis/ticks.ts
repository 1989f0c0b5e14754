import type { ScaleName } from '../state/viewState';

/** A value's place on a scale, to be compared with the ends'. */
export function scaled(value: number, scale: ScaleName): number {
  switch (scale) {
    case 'log':
      return Math.log10(value);
    case 'symlog':
      return Math.sign(value) * Math.log10(1 + Math.abs(value));
    case 'sqrt':
      return Math.sqrt(value);
    case 'linear':
      return value;
  }
}

/** Round values between two ends: 1, 2, 5 and their tens. */
export function roundValues(low: number, high: number, count: number): number[] {
  const raw = (high - low) / Math.max(count, 1);
  if (!(raw > 0) || !Number.isFinite(raw)) {
    return [];
  }
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(candidate => candidate >= raw * 0.999)!;
  const values: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
    values.push(Number((i * step).toPrecision(12)));
  }
  return values;
}

/** Values to write beside a scale, few enough to be read. */
export function ticks([low, high]: [number, number], scale: ScaleName, count: number): number[] {
  if (scale === 'linear') {
    return roundValues(low, high, count);
  }
  const factors = (first: number, last: number): number[] => {
    const decades = Math.log10(last / first);
    const within = decades < 1 ? undefined : decades * 3 <= count ? [1, 2, 5] : [1];
    if (!within) {
      return roundValues(first, last, count);
    }
    const every = Math.max(1, Math.ceil(decades / count));
    const values: number[] = [];
    for (let power = Math.floor(Math.log10(first)); power <= Math.ceil(Math.log10(last)); power++) {
      if (power % every === 0) {
        values.push(...within.map(factor => factor * 10 ** power));
      }
    }
    return values.filter(value => value >= first * (1 - 1e-9) && value <= last * (1 + 1e-9)).map(v => Number(v.toPrecision(12)));
  };
  if (scale === 'log') {
    return low > 0 ? factors(low, high) : [];
  }
  if (scale === 'sqrt') {
    return roundValues(Math.max(low, 0), high, count);
  }
  const up = high > 1 ? factors(Math.max(low, 1), high) : [];
  const down = low < -1 ? factors(Math.max(-high, 1), -low).map(value => -value) : [];
  const zero = low <= 0 && high >= 0 ? [0] : [];
  const found = [...down.reverse(), ...zero, ...up];
  return found.length >= 2 ? found : roundValues(low, high, count);
}
