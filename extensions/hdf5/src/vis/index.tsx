import type { FC, ReactElement } from 'react';
import type { ViewKind } from '../api/types';
import { ViewBoundary } from './errors';
import { ImageView } from './image/ImageView';
import { LineView } from './line/LineView';
import { ComplexView } from './other/ComplexView';
import { RawView } from './other/RawView';
import { RgbView } from './other/RgbView';
import { ScalarView } from './other/ScalarView';
import { ScatterView } from './other/ScatterView';
import type { IVisProps } from './props';
import { CompoundView, MatrixView } from './table/MatrixView';
import { WhenVisible } from './visible';

const VIEWS: Partial<Record<ViewKind, (props: IVisProps) => ReactElement>> = {
  heatmap: ImageView,
  line: LineView,
  scatter: ScatterView,
  rgb: RgbView,
  complex: ComplexView,
  matrix: MatrixView,
  compound: CompoundView,
  scalar: ScalarView,
  raw: RawView
};

/** Draws `state` with the view that was chosen, else the one that suits the entity best. */
export const Visualization: FC<IVisProps> = props => {
  const { entity, state, client } = props;
  const kind = state.vis ?? entity.views[0];
  const View = kind === undefined ? undefined : VIEWS[kind];
  return (
    <div className="ph5-visualization" data-theme={props.theme} data-kind={kind}>
      <ViewBoundary of={`${client.path} ${entity.h5path} ${kind} ${state.slice}`}>
        <WhenVisible>
          {View ? (
            <View key={`${client.path} ${entity.h5path} ${kind}`} {...props} />
          ) : (
            <p className="ph5-note">There is nothing to draw here. The details beside say what it is and what it holds.</p>
          )}
        </WhenVisible>
      </ViewBoundary>
    </div>
  );
};
