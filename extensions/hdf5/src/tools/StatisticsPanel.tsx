import { ScaleType } from '@h5web/lib';
import { useMemo, useState, type ReactElement } from 'react';
import type { IStats } from '../api/types';
import { Choice } from '../vis/choices';
import { formatCount, formatTick, withUnits } from '../vis/format';
import { LinePlot } from '../vis/line/LinePlot';
import { curveColour } from '../vis/line/palette';
import type { IMeasured } from './context';
import { useSettledJson } from './measure';
import { Numbers } from './Numbers';
import { Panel } from './Panel';
import { plottedHistogram } from './plotted';

const BINS = ['50', '100', '200', '500'] as const;

/** Statistics and histogram of the image. */
export function StatisticsPanel({ measured, onClose }: { measured: IMeasured; onClose: () => void }): ReactElement {
  const { client, h5path, slice, state, change, revision, theme, plot, units } = measured;
  const [bins, setBins] = useState<(typeof BINS)[number]>('100');
  const answer = useSettledJson<{ stats?: IStats } & IStats>(client, 'stats', { h5path, slice, mask: state.mask, bins }, revision);
  const stats = answer.value && (answer.value.stats ?? answer.value);
  const curves = useMemo(
    () => (stats ? [plottedHistogram(stats.histogram.counts, stats.histogram.edges, curveColour(0, theme))] : []),
    [stats, theme]
  );
  const range = stats && ([stats.percentiles['1'] ?? stats.min, stats.percentiles['99'] ?? stats.max] as const);
  return (
    <Panel
      title="Statistics"
      onClose={onClose}
      problem={answer.problem}
      busy={answer.pending}
      controls={
        <>
          <Choice label="Bins" value={bins} options={BINS} onChange={setBins} />
          {range && range[0] !== null && range[1] !== null && (
            <button type="button" className="ph5-button" onClick={() => change({ range: [range[0]!, range[1]!] })}>
              Colours from 1 % to 99 %
            </button>
          )}
        </>
      }
    >
      <div className="ph5-panel-body">
        {stats && <Numbers stats={stats} units={units} />}
        {stats && stats.histogram.counts.length > 0 && (
          <figure className="ph5-panel-plot" aria-label="Histogram" data-testid="histogram" data-keep-canvas-colors>
            <LinePlot
              title=""
              xLabel={withUnits(plot?.title ?? 'value', units)}
              yLabel="pixels"
              yScale={ScaleType.Log}
              curves={curves}
            />
          </figure>
        )}
      </div>
      {stats && outside(stats) && <p className="ph5-note">{outside(stats)}</p>}
    </Panel>
  );
}

/** Which values the histogram does not reach. */
export function outside({ histogram: { below, above, edges } }: Pick<IStats, 'histogram'>): string {
  const parts = [
    below > 0 ? `${formatCount(below)} below ${formatTick(edges[0])}` : '',
    above > 0 ? `${formatCount(above)} above ${formatTick(edges[edges.length - 1])}` : ''
  ].filter(Boolean);
  return parts.length ? `Beyond the histogram: ${parts.join(', ')}` : '';
}
