import type { ReactElement, ReactNode } from 'react';
import { AzimuthalPanel } from './AzimuthalPanel';
import type { IMeasured } from './context';
import { PointPanel } from './PointPanel';
import { ProfilePanel } from './ProfilePanel';
import { RegionPanel } from './RegionPanel';
import { StatisticsPanel } from './StatisticsPanel';
import type { ITools } from './useTools';

/** The measurements that are open, side by side below the image. */
export function Panels({ measured, tools, children }: { measured: IMeasured; tools: ITools; children?: ReactNode }): ReactElement | null {
  const { roi, profile } = measured.state;
  const none = !roi && !profile && !tools.point && !tools.statistics && !tools.azimuthal && !children;
  if (none) {
    return null;
  }
  return (
    <div className="ph5-panels">
      {children}
      {roi && <RegionPanel measured={measured} roi={roi} />}
      {profile && <ProfilePanel measured={measured} profile={profile} />}
      {tools.point && <PointPanel measured={measured} point={tools.point} onPoint={tools.setPoint} />}
      {tools.statistics && <StatisticsPanel measured={measured} onClose={tools.toggleStatistics} />}
      {tools.azimuthal && <AzimuthalPanel measured={measured} onClose={tools.toggleAzimuthal} />}
    </div>
  );
}
