import { ToggleBtn } from '@h5web/lib';
import type { ReactElement } from 'react';
import { CompareIcon, HistogramIcon, PointIcon, ProfileIcon, RegionIcon, RingsIcon } from '../vis/icons';
import type { Mode } from './Overlay';
import type { ITools } from './useTools';

/** Buttons for h5web's toolbar; each is a child of its own, so that those without room go to its menu. */
export function toolButtons(tools: ITools, stack: boolean): ReactElement[] {
  const modes: [Mode, string, typeof RegionIcon, string][] = [
    ['roi', 'Region', RegionIcon, 'Draw a region: its statistics, and its course along the stack'],
    ['profile', 'Profile', ProfileIcon, 'Draw a line: the values along it']
  ];
  if (stack) {
    modes.push(['point', 'Pixel', PointIcon, 'Choose a pixel: its course along the stack']);
  }
  return [
    ...modes.map(([mode, label, Icon, title]) => (
      <ToggleBtn
        key={mode}
        label={label}
        Icon={Icon}
        title={title}
        value={tools.mode === mode}
        onToggle={() => tools.setMode(tools.mode === mode ? 'pan' : mode)}
      />
    )),
    <ToggleBtn key="statistics" label="Statistics" Icon={HistogramIcon} value={tools.statistics} onToggle={tools.toggleStatistics} />,
    <ToggleBtn
      key="azimuthal"
      label="Azimuthal"
      Icon={RingsIcon}
      title="Azimuthal integration"
      value={tools.azimuthal}
      onToggle={tools.toggleAzimuthal}
    />,
    <ToggleBtn
      key="compare"
      label="Compare"
      Icon={CompareIcon}
      title="Compare with another image"
      value={tools.comparing}
      onToggle={tools.toggleComparing}
    />
  ];
}
