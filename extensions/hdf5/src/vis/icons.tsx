import type { ReactElement } from 'react';

function icon(path: string): (props: { className: string }) => ReactElement {
  return function Icon({ className }) {
    return (
      <svg className={className} viewBox="0 0 24 24" width="1em" height="1em" aria-hidden="true" fill="none" stroke="currentColor" strokeWidth="2">
        <path d={path} />
      </svg>
    );
  };
}

export const AspectIcon = icon('M4 4h16v16H4z M8 12V8h4 M16 12v4h-4');
export const GridIcon = icon('M4 9h16 M4 15h16 M9 4v16 M15 4v16');
export const MaskIcon = icon('M4 4h16v16H4z M4 14l10-10 M4 20L20 4 M10 20l10-10');
export const RegionIcon = icon('M5 5h14v14H5z M3 3h4v4H3z M17 17h4v4h-4z');
export const ProfileIcon = icon('M4 20L20 4 M2 18h4v4H2z M18 2h4v4h-4z');
export const PointIcon = icon('M12 3v6 M12 15v6 M3 12h6 M15 12h6');
export const HistogramIcon = icon('M4 20V12h4v8 M8 20V5h4v15 M12 20V9h4v11 M16 20v-4h4v4 M3 20h18');
export const RingsIcon = icon('M12 12m-9 0a9 9 0 1 0 18 0a9 9 0 1 0-18 0 M12 12m-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0 M12 12h.01');
export const CompareIcon = icon('M3 4h7v16H3z M14 4h7v16h-7z');
export const ExportIcon = icon('M12 3v12 M7 10l5 5 5-5 M4 20h16');
export const ErrorsIcon = icon('M12 3v18 M8 3h8 M8 21h8 M9 12h6');
export const PointsIcon = icon('M5 17h.01 M10 9h.01 M15 13h.01 M20 5h.01');
export const LegendIcon = icon('M3 6h6 M12 6h9 M3 12h6 M12 12h9 M3 18h6 M12 18h9');
export const PanIcon = icon('M12 3v18 M3 12h18 M9 6l3-3 3 3 M9 18l3 3 3-3 M6 9l-3 3 3 3 M18 9l3 3-3 3');
