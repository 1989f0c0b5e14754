import type { KeyboardEvent, ReactElement } from 'react';
import type { ViewKind } from '../api/types';

const LABELS: Record<ViewKind, string> = {
  scalar: 'Value',
  line: 'Line',
  heatmap: 'Heat map',
  scatter: 'Scatter',
  rgb: 'Colours',
  matrix: 'Matrix',
  compound: 'Table',
  complex: 'Complex',
  raw: 'Raw',
  group: 'Overview'
};

interface ITabsProps {
  views: ViewKind[];
  current: ViewKind;
  onChange(view: ViewKind): void;
  panel: string;
}

/** The views that make sense for the object, as tabs. */
export function Tabs({ views, current, onChange, panel }: ITabsProps): ReactElement {
  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    const at = views.indexOf(current);
    const last = views.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at <= 0 ? last : at - 1, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      onChange(views[to]);
      (event.currentTarget.children[to] as HTMLElement).focus();
    }
  };
  return (
    <div className="ph5-tabs" role="tablist" aria-label="Views" onKeyDown={onKeyDown}>
      {views.map(view => (
        <button
          key={view}
          type="button"
          role="tab"
          className="ph5-tab"
          aria-selected={view === current}
          aria-controls={panel}
          tabIndex={view === current ? 0 : -1}
          onClick={() => onChange(view)}
        >
          {LABELS[view] ?? view}
        </button>
      ))}
    </div>
  );
}
