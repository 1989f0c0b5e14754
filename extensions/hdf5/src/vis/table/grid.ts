/** Which rows and columns of a large table are in sight. */

/** Browsers draw nothing beyond some 16 million pixels; a longer table is scrolled through faster than its rows are high. */
export const LONGEST = 8_000_000;

export interface ISpan {
  /** First and last (exclusive) in sight. */
  first: number;
  last: number;
  /** Where the first one is drawn, from the beginning of the scrolled content. */
  offset: number;
}

/** Pixels of the scrolled content. */
export function contentSize(count: number, size: number): number {
  return Math.min(count * size, LONGEST);
}

export function spanAt(scroll: number, viewport: number, count: number, size: number): ISpan {
  const content = contentSize(count, size);
  const shown = Math.ceil(viewport / size) + 1;
  if (content === count * size) {
    const first = Math.max(0, Math.min(Math.floor(scroll / size), count - 1));
    return { first, last: Math.min(count, first + shown), offset: first * size };
  }
  const scrollable = Math.max(content - viewport, 1);
  const most = count - Math.floor(viewport / size);
  const first = Math.max(0, Math.min(Math.round((scroll / scrollable) * most), most));
  return { first, last: Math.min(count, first + shown), offset: Math.min(scroll, scrollable) };
}

/** The scroll position at which an index is the first one in sight. */
export function scrollTo(index: number, viewport: number, count: number, size: number): number {
  const content = contentSize(count, size);
  if (content === count * size) {
    return index * size;
  }
  const most = count - Math.floor(viewport / size);
  return (Math.min(index, most) / most) * (content - viewport);
}

export const BLOCK_ROWS = 100;
export const BLOCK_COLUMNS = 25;

export interface IBlock {
  row: number;
  column: number;
}

/** The blocks of cells that cover a part of the table. */
export function blocksIn(rows: ISpan, columns: ISpan): IBlock[] {
  const blocks: IBlock[] = [];
  for (let row = Math.floor(rows.first / BLOCK_ROWS); row * BLOCK_ROWS < rows.last; row++) {
    for (let column = Math.floor(columns.first / BLOCK_COLUMNS); column * BLOCK_COLUMNS < columns.last; column++) {
      blocks.push({ row, column });
    }
  }
  return blocks;
}
