import {
  ColorMapSelector,
  DomainWidget,
  ScaleSelector,
  ScaleType,
  Selector,
  Separator,
  Toolbar,
  type ColorMap
} from '@h5web/lib';
import type { ReactElement } from 'react';
import type { IViewHeader, Reducer } from '../../api/types';
import type { ChangeState, IViewState, ScaleName } from '../../state/viewState';
import { domainOf } from '../domain';
import { SCALES } from './Piece';

const SCALE_OPTIONS = [ScaleType.Linear, ScaleType.Log, ScaleType.SymLog, ScaleType.Sqrt] as const;
const REDUCERS: Reducer[] = ['max', 'mean', 'min', 'first'];

interface IProps {
  header: IViewHeader | undefined;
  state: IViewState;
  change: ChangeState;
  scale: ScaleName;
  colorMap: ColorMap;
  units: string | undefined;
}

/** How a picture is drawn: range, colours, scale, pooling. */
export function ImageToolbar(props: IProps): ReactElement {
  const { header, state, change, scale, colorMap, units } = props;
  const suggested = domainOf(header, undefined, scale);
  return (
    <div className="ph5-controls"><Toolbar
      interactions={[
        { shortcut: 'Drag', description: 'Pan' },
        { shortcut: 'Wheel', description: 'Zoom' },
        { shortcut: 'Ctrl+Drag', description: 'Zoom into a rectangle' },
        { shortcut: 'Alt+Wheel', description: 'Zoom in x' },
        { shortcut: 'Shift+Wheel', description: 'Zoom in y' }
      ]}
    >
      <div className="ph5-range" role="group" aria-label={rangeLabel(units)} title={`${rangeLabel(units)}: drag its ends, or edit its numbers`}>
      <DomainWidget
        dataDomain={suggested}
        customDomain={state.range ?? [null, null]}
        scaleType={SCALES[scale]}
        histogram={header && histogramOf(header, colorMap, state.invertColorMap ?? false)}
        onCustomDomainChange={([low, high]) =>
          change({ range: low === null && high === null ? undefined : [low ?? suggested[0], high ?? suggested[1]] })
        }
      />
      </div>
      <Separator />
      <ColorMapSelector
        value={colorMap}
        onValueChange={value => change({ colorMap: value })}
        invert={state.invertColorMap ?? false}
        onInversionChange={() => change({ invertColorMap: state.invertColorMap ? undefined : true })}
      />
      <ScaleSelector
        value={SCALES[scale]}
        options={[...SCALE_OPTIONS]}
        onScaleChange={value => change({ scale: value as ScaleName })}
      />
      <Separator />
      <Selector
        label="Join pixels by"
        value={state.reduce ?? header?.reduce ?? 'max'}
        options={REDUCERS}
        renderOption={option => option}
        onChange={value => change({ reduce: value })}
      />
    </Toolbar></div>
  );
}

function rangeLabel(units: string | undefined): string {
  return units ? `Range of the colours in ${units}` : 'Range of the colours';
}

function histogramOf({ stats }: IViewHeader, colorMap: ColorMap, invert: boolean) {
  const { counts, edges } = stats.histogram;
  if (counts.length === 0 || edges.length !== counts.length + 1) {
    return undefined;
  }
  return { values: counts, bins: edges, colorMap, invertColorMap: invert };
}
