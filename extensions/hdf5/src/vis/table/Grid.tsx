import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactElement } from 'react';
import { useLatest } from '../same';
import { contentSize, scrollTo, spanAt, type ISpan } from './grid';

const ROW = 24;
const HEADER = 26;
const INDEX = 84;

interface IProps {
  label: string;
  rows: number;
  columns: number;
  columnWidth: number;
  rowHeader: (row: number) => string;
  columnHeader: (column: number) => string;
  /** Text of a cell; undefined while it is not there yet. */
  cell: (row: number, column: number) => string | undefined;
  /** Told what came into sight. */
  onSight: (rows: ISpan, columns: ISpan) => void;
}

/** A table of any size: only the cells in sight exist. Arrow keys move through it. */
export function Grid(props: IProps): ReactElement {
  const { label, rows, columns, columnWidth, rowHeader, columnHeader, cell, onSight } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, left: 0, width: 800, height: 400 });
  const [active, setActive] = useState({ row: 0, column: 0 });
  const rowSpan = spanAt(view.top, view.height - HEADER, rows, ROW);
  const columnSpan = spanAt(view.left, view.width - INDEX, columns, columnWidth);

  useLayoutEffect(() => {
    const element = scroller.current!;
    const measure = () =>
      setView({ top: element.scrollTop, left: element.scrollLeft, width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', measure);
    };
  }, []);
  const spans = useLatest([rowSpan, columnSpan] as const);
  // cells, not pixels: scrolling within one is nothing new
  useEffect(() => onSight(...spans.current), [rowSpan.first, rowSpan.last, columnSpan.first, columnSpan.last, onSight, spans]);

  const move = (event: KeyboardEvent) => {
    const target = moved(event, active, rows, columns, rowSpan.last - rowSpan.first - 2);
    if (!target) {
      return;
    }
    event.preventDefault();
    setActive(target);
    const element = scroller.current!;
    if (target.row < rowSpan.first || target.row >= rowSpan.last - 2) {
      const first = target.row < rowSpan.first ? target.row : target.row - (rowSpan.last - rowSpan.first) + 3;
      element.scrollTop = scrollTo(Math.max(0, first), view.height - HEADER, rows, ROW);
    }
    if (target.column < columnSpan.first || target.column >= columnSpan.last - 2) {
      const first = target.column < columnSpan.first ? target.column : target.column - (columnSpan.last - columnSpan.first) + 3;
      element.scrollLeft = scrollTo(Math.max(0, first), view.width - INDEX, columns, columnWidth);
    }
  };

  const rowIndices = Array.from({ length: Math.max(0, rowSpan.last - rowSpan.first) }, (_, i) => rowSpan.first + i);
  const columnIndices = Array.from({ length: Math.max(0, columnSpan.last - columnSpan.first) }, (_, i) => columnSpan.first + i);
  return (
    <div
      ref={scroller}
      className="ph5-grid"
      role="grid"
      aria-label={label}
      aria-rowcount={rows + 1}
      aria-colcount={columns + 1}
      tabIndex={0}
      aria-activedescendant={`ph5-cell-${active.row}-${active.column}`}
      onKeyDown={move}
    >
      <div
        className="ph5-grid-content"
        style={{ width: INDEX + contentSize(columns, columnWidth), height: HEADER + contentSize(rows, ROW) }}
      >
        <div className="ph5-grid-header" role="row" aria-rowindex={1} style={{ height: HEADER }}>
          <span className="ph5-grid-corner" role="columnheader" style={{ width: INDEX, height: HEADER }} />
          {columnIndices.map(column => (
            <span
              key={column}
              role="columnheader"
              aria-colindex={column + 2}
              className="ph5-grid-head"
              style={{ left: INDEX + columnSpan.offset + (column - columnSpan.first) * columnWidth, width: columnWidth, height: HEADER }}
              title={columnHeader(column)}
            >
              {columnHeader(column)}
            </span>
          ))}
        </div>
        {rowIndices.map(row => {
          const top = HEADER + rowSpan.offset + (row - rowSpan.first) * ROW;
          return (
            <div key={row} role="row" aria-rowindex={row + 2} className="ph5-grid-row" style={{ top, height: ROW }}>
              <span role="rowheader" className="ph5-grid-index" style={{ width: INDEX }}>
                {rowHeader(row)}
              </span>
              {columnIndices.map(column => {
                const text = cell(row, column);
                return (
                  <span
                    key={column}
                    id={`ph5-cell-${row}-${column}`}
                    role="gridcell"
                    aria-colindex={column + 2}
                    aria-selected={row === active.row && column === active.column}
                    className="ph5-grid-cell"
                    style={{ left: INDEX + columnSpan.offset + (column - columnSpan.first) * columnWidth, width: columnWidth }}
                    title={text}
                    onClick={() => setActive({ row, column })}
                  >
                    {text ?? '…'}
                  </span>
                );
              })}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function moved(
  event: KeyboardEvent,
  { row, column }: { row: number; column: number },
  rows: number,
  columns: number,
  page: number
): { row: number; column: number } | undefined {
  const steps: Record<string, [number, number]> = {
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    PageUp: [-Math.max(page, 1), 0],
    PageDown: [Math.max(page, 1), 0],
    Home: event.ctrlKey ? [-Infinity, -Infinity] : [0, -Infinity],
    End: event.ctrlKey ? [Infinity, Infinity] : [0, Infinity]
  };
  const step = steps[event.key];
  if (!step) {
    return undefined;
  }
  const clamp = (value: number, count: number) => Math.min(Math.max(value, 0), count - 1);
  return { row: clamp(row + step[0], rows), column: clamp(column + step[1], columns) };
}
