import type { IAnswer, IClient } from '../api/client';
import type { IEntity, ILineHeader, IViewHeader } from '../api/types';
import type { ChangeState, IViewState } from '../state/viewState';

/** What every view gets. Views draw `state` and ask for changes; they hold nothing that a link should carry. */
export interface IVisProps {
  client: IClient;
  /** Another file's client, for curves and comparison. */
  clientFor: (path: string) => IClient;
  entity: IEntity;
  state: IViewState;
  change: ChangeState;
  /** What `open` brought along, so that the first picture needs no second request. */
  first?: IAnswer<IViewHeader> | IAnswer<ILineHeader>;
  /** Counts up when the file changed: ask again. */
  revision: number;
  theme: 'light' | 'dark';
}
