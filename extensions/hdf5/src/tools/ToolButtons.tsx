import type { ComponentType, ReactElement, ReactNode } from 'react';
import { CompareIcon, HistogramIcon, PanIcon, PointIcon, ProfileIcon, RegionIcon, RingsIcon } from '../vis/icons';
import type { Mode } from './Overlay';
import type { ITools } from './useTools';

interface IButtonProps {
  label: string;
  title?: string;
  pressed: boolean;
  Icon: ComponentType<{ className: string }>;
  onClick: () => void;
}

/** A button that is in or out. */
export function ToolButton({ label, title, pressed, Icon, onClick }: IButtonProps): ReactElement {
  return (
    <button type="button" className="ph5-tool" aria-pressed={pressed} aria-label={label} title={title ?? label} onClick={onClick}>
      <Icon className="ph5-icon" />
    </button>
  );
}

const MODES: [Mode, string, ComponentType<{ className: string }>, string][] = [
  ['pan', 'Move', PanIcon, 'Move the image; the wheel zooms'],
  ['roi', 'Region', RegionIcon, 'Draw a region: its statistics, and its course along the stack'],
  ['profile', 'Profile', ProfileIcon, 'Draw a line: the values along it'],
  ['point', 'Pixel', PointIcon, 'Choose a pixel: its course along the stack']
];

/** What a drag does, and which measurements are open. */
export function ToolButtons({ tools, stack, children }: { tools: ITools; stack: boolean; children?: ReactNode }): ReactElement {
  return (
    <div className="ph5-tools" role="toolbar" aria-label="Measure" aria-orientation="vertical">
      {MODES.filter(([mode]) => mode !== 'point' || stack).map(([mode, label, Icon, title]) => (
        <ToolButton key={mode} label={label} title={title} Icon={Icon} pressed={tools.mode === mode} onClick={() => tools.setMode(mode)} />
      ))}
      <span className="ph5-tools-gap" />
      <ToolButton label="Statistics" title="Statistics and histogram" Icon={HistogramIcon} pressed={tools.statistics} onClick={tools.toggleStatistics} />
      <ToolButton label="Azimuthal integration" Icon={RingsIcon} pressed={tools.azimuthal} onClick={tools.toggleAzimuthal} />
      <ToolButton label="Compare" title="Compare with another image" Icon={CompareIcon} pressed={tools.comparing} onClick={tools.toggleComparing} />
      <span className="ph5-tools-gap" />
      {children}
    </div>
  );
}
