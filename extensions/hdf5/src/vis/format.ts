/** Numbers as people write them. */

const SUPERSCRIPT = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** 10⁻⁷, not 1e-7. */
function power(exponent: number): string {
  const digits = [...String(Math.abs(exponent))].map(d => SUPERSCRIPT[Number(d)]).join('');
  return `10${exponent < 0 ? '⁻' : ''}${digits}`;
}

/** A tick of an axis or a bound of a range: plain digits where they are short, a power of ten else. */
export function formatTick(value: number | { valueOf(): number }): string {
  // axes call this with the tick's number as a second argument
  return formatNumber(value, 6);
}

function formatNumber(value: number | { valueOf(): number }, digits: number): string {
  const number = value.valueOf();
  if (!Number.isFinite(number)) {
    return Number.isNaN(number) ? 'NaN' : number > 0 ? '∞' : '−∞';
  }
  if (number === 0) {
    return '0';
  }
  const size = Math.abs(number);
  if (size >= 1e-3 && size < 1e7) {
    return minus(String(Number(number.toPrecision(digits))));
  }
  const [mantissa, exponent] = number.toExponential(Math.max(digits - 3, 2)).split('e');
  const trimmed = String(Number(mantissa));
  return minus(`${trimmed === '1' ? '' : trimmed === '-1' ? '-' : `${trimmed}·`}${power(Number(exponent))}`);
}

/** A value with all of its digits that matter. */
export function formatValue(value: unknown, dtype?: string): string {
  if (typeof value === 'bigint') {
    return String(value);
  }
  if (typeof value === 'number') {
    if (Number.isInteger(value) && Math.abs(value) < 1e15) {
      return minus(String(value));
    }
    return formatNumber(value, dtype?.endsWith('f4') ? 8 : 12);
  }
  if (value === null || value === undefined) {
    return '–';
  }
  if (Array.isArray(value)) {
    return `[${value.map(item => formatValue(item)).join(', ')}]`;
  }
  if (typeof value === 'object') {
    return JSON.stringify(value);
  }
  return String(value);
}

/** `energy (keV)`. */
export function withUnits(label: string, units?: string): string {
  return units && !label.endsWith(`[${units}]`) && !label.endsWith(`(${units})`) ? `${label} (${units})` : label;
}

/** 12 345 678 with thin spaces. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+(?!\d))/g, '\u2009');
}

function minus(text: string): string {
  return text.replace(/^-/, '−');
}
