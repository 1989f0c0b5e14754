import { useState } from 'react';
import type { Mode } from './Overlay';
import type { IPoint } from './shapes';

export interface ITools {
  mode: Mode;
  setMode: (mode: Mode) => void;
  /** The pointer is over a region or line. */
  over: boolean;
  setOver: (over: boolean) => void;
  point: IPoint | undefined;
  setPoint: (point: IPoint | undefined) => void;
  statistics: boolean;
  toggleStatistics: () => void;
  azimuthal: boolean;
  toggleAzimuthal: () => void;
  comparing: boolean;
  toggleComparing: () => void;
}

/** Which tools are in the hand and which panels are open. */
export function useTools(): ITools {
  const [mode, setMode] = useState<Mode>('pan');
  const [over, setOver] = useState(false);
  const [point, setPoint] = useState<IPoint>();
  const [statistics, setStatistics] = useState(false);
  const [azimuthal, setAzimuthal] = useState(false);
  const [comparing, setComparing] = useState(false);
  return {
    mode,
    setMode,
    over,
    setOver,
    point,
    setPoint,
    statistics,
    toggleStatistics: () => setStatistics(!statistics),
    azimuthal,
    toggleAzimuthal: () => setAzimuthal(!azimuthal),
    comparing,
    toggleComparing: () => setComparing(!comparing)
  };
}
