import type { ReactElement } from 'react';
import type { IStats } from '../api/types';
import { formatCount, formatTick, formatValue, withUnits } from '../vis/format';

/** Statistics as a small table; what there is none of is left out. */
export function Numbers({ stats, units }: { stats: IStats; units?: string }): ReactElement {
  const rows: [string, string][] = [
    ['pixels', formatCount(stats.n_valid)],
    ['sum', stats.mean === null ? '–' : number(stats.mean * stats.n_valid)],
    ['mean', number(stats.mean)],
    ['std', number(stats.std)],
    ['min', number(stats.min)],
    ['max', number(stats.max)],
    ...percentiles(stats)
  ];
  const left: [string, number][] = [
    ['masked', stats.n_masked],
    ['“no value”', stats.n_sentinel],
    ['NaN', stats.n_nan],
    ['infinite', stats.n_inf]
  ];
  return (
    <dl className="ph5-numbers" data-exact={stats.exact}>
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{name === 'pixels' || value === '–' ? value : withUnits(value, units)}</dd>
        </div>
      ))}
      {left
        .filter(([, count]) => count > 0)
        .map(([name, count]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{formatCount(count)}</dd>
          </div>
        ))}
      {!stats.exact && <div>estimated from a part</div>}
    </dl>
  );
}

const SHOWN = [1, 25, 50, 75, 99];

function percentiles(stats: IStats): [string, string][] {
  return SHOWN.flatMap((percent): [string, string][] => {
    const value = stats.percentiles[String(percent)];
    return value === undefined ? [] : [[percent === 50 ? 'median' : `${percent} %`, number(value)]];
  });
}

function number(value: number | null): string {
  return value === null ? '–' : Number.isInteger(value) ? formatValue(value) : formatTick(value);
}
