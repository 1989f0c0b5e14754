import type { ReactElement } from 'react';
import type { IChild } from '../api/types';

const PATHS: Record<string, string> = {
  chevron: 'M6 4l4 4-4 4',
  group: 'M2 4.5h4l1.5 1.5H14v6.5H2z',
  up: 'M8 13V3.5M4 7.5l4-4 4 4',
  scalar: 'M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
  line: 'M2 12l3.5-6 3 4L14 3.5',
  image: 'M2.5 2.5h11v11h-11zM2.5 8h11M8 2.5v11',
  stack: 'M2.5 5.5h8v8h-8zM5 5.5V3h8.5v8.5h-3',
  text: 'M3 4h10M3 7h10M3 10h6',
  table: 'M2.5 3h11v10h-11zM2.5 6.5h11M7 6.5V13',
  type: 'M3 4V3h10v1M8 3v10M6 13h4',
  error: 'M8 2l6.5 11.5h-13zM8 6.5v3.5M8 11.5v.5',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.5 10.5L14 14',
  close: 'M4 4l8 8M12 4l-8 8',
  link: 'M6 10L12 4M7.5 4H12v4.5M3 7v6h6',
  star: 'M8 2l1.8 3.9 4.2.5-3.1 2.9.8 4.2L8 11.4 4.3 13.5l.8-4.2L2 6.4l4.2-.5z',
  play: 'M5 3l8 5-8 5z',
  pause: 'M5 3v10M11 3v10',
  reload: 'M13 8a5 5 0 1 1-1.5-3.5M13 2v3h-3',
  tree: 'M3 3h4M5 3v9h4M5 7.5h4M9 6h4v3H9zM9 10.5h4v3H9z',
  info: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 7.5V11M8 5v.5',
  check: 'M3 8.5l3 3 7-7',
  code: 'M5.5 4.5L2 8l3.5 3.5M10.5 4.5L14 8l-3.5 3.5',
  expand: 'M3 8h10M8 3v10'
};

export type IconName = keyof typeof PATHS;

/** A line drawing in the colour of the text around it; always beside words or in a button with a name. */
export function Icon({ name, className = '' }: { name: string; className?: string }): ReactElement {
  return (
    <svg className={`ph5-icon ${className}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill="none" stroke="currentColor" strokeWidth="1.3" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}

/** Which drawing stands for an object. */
export function iconOf(child: IChild): string {
  if (child.kind !== 'dataset') {
    return { group: 'group', datatype: 'type', error: 'error' }[child.kind];
  }
  switch (child.type?.class) {
    case 'string':
    case 'opaque':
    case 'reference':
      return 'text';
    case 'compound':
      return 'table';
    default: {
      const rank = child.shape?.filter(length => length > 1).length ?? 0;
      return rank === 0 ? 'scalar' : rank === 1 ? 'line' : rank === 2 ? 'image' : 'stack';
    }
  }
}
