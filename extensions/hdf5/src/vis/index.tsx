import { type FC, type ReactElement } from 'react';
import type { ViewKind } from '../api/types';
import { ViewBoundary } from './errors';
import { ImageView } from './image/ImageView';
import { LineView } from './line/LineView';
import type { IVisProps } from './props';
import { WhenVisible } from './visible';

/** Draws `state` with the view that was chosen, else the one that suits the entity best. */
export const Visualization: FC<IVisProps> = props => {
  const { entity, state, client } = props;
  const kind = state.vis ?? entity.views[0];
  return (
    <div className="ph5-visualization" data-theme={props.theme} data-kind={kind}>
      <ViewBoundary of={`${client.path} ${entity.h5path} ${kind} ${state.slice}`}>
        <WhenVisible>
          <View key={`${client.path} ${entity.h5path} ${kind}`} kind={kind} props={props} />
        </WhenVisible>
      </ViewBoundary>
    </div>
  );
};

function View({ kind, props }: { kind: ViewKind | undefined; props: IVisProps }): ReactElement {
  switch (kind) {
    case 'heatmap':
      return <ImageView {...props} />;
    case 'line':
      return <LineView {...props} />;
    default:
      return <p className="ph5-note">There is nothing to draw here; its attributes say what it is.</p>;
  }
}
