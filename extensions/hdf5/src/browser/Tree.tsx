import { useVirtualizer, defaultRangeExtractor } from '@tanstack/react-virtual';
import type { Range } from '@tanstack/react-virtual';
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { MouseEvent, ReactElement } from 'react';
import type { IChild } from '../api/types';
import type { IHost } from '../viewer/host';
import { TreeKeys } from './keys';
import type { TreeModel } from './model';
import { Row } from './Row';

export const ROW_HEIGHT = 24;
const OVERSCAN = 12;

export interface ITreeProps {
  model: TreeModel;
  selected: string;
  onSelect(h5path: string, child: IChild): void;
  host: IHost;
  label: string;
}

/** The tree of a file: only the rows in sight exist, and the one that has the focus. */
export function Tree({ model, selected, onSelect, host, label }: ITreeProps): ReactElement {
  useSyncExternalStore(model.subscribe, model.version);
  const box = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  /** The row that the focus goes to as soon as it is drawn: not before, or a row drawn earlier would take it. */
  const focusWanted = useRef<number | null>(null);
  const size = model.size;
  const current = Math.min(active, size - 1);

  const virtual = useVirtualizer({
    count: size,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
    initialRect: { width: 300, height: 600 },
    rangeExtractor: useCallback(
      (range: Range) => {
        const rows = defaultRangeExtractor(range);
        return rows.includes(current) ? rows : [...rows, current].sort((a, b) => a - b);
      },
      [current]
    )
  });
  const rows = virtual.getVirtualItems();
  const first = virtual.range?.startIndex ?? 0;
  const last = virtual.range?.endIndex ?? 0;
  const version = model.version();
  useEffect(() => {
    model.ensure(first - OVERSCAN, last + OVERSCAN);
  }, [model, first, last, version]);

  const focus = useCallback(
    (at: number) => {
      focusWanted.current = at;
      setActive(at);
      virtual.scrollToIndex(at);
    },
    [virtual]
  );
  useEffect(() => {
    if (focusWanted.current !== null && Math.min(focusWanted.current, size - 1) === current) {
      const row = box.current?.querySelector<HTMLElement>('[role=treeitem][tabindex="0"]');
      if (row) {
        focusWanted.current = null;
        row.focus({ preventScroll: true });
      }
    }
  });

  // What is selected elsewhere (a link, a search, the other tree) comes into sight here.
  const shown = useRef<{ model: TreeModel; selected: string } | null>(null);
  useEffect(() => {
    if (shown.current?.model === model && shown.current.selected === selected) {
      return;
    }
    const at = model.find(selected);
    if (at >= 0) {
      shown.current = { model, selected };
      if (box.current?.contains(document.activeElement)) {
        return; // whoever walks the tree is not moved away
      }
      setActive(at);
      virtual.scrollToIndex(at, { align: 'auto' });
    }
  }, [model, selected, version, virtual]);

  const choose = useCallback(
    (at: number) => {
      const { child, kind } = model.row(at);
      if (kind === 'problem') {
        model.retry(at);
      } else if (child) {
        shown.current = { model, selected: child.h5path };
        onSelect(child.h5path, child);
      }
    },
    [model, onSelect]
  );
  const keys = useRef(new TreeKeys());
  const onClick = (event: MouseEvent, at: number): void => {
    focusWanted.current = null;
    setActive(at);
    const { child, expanded } = model.row(at);
    const onTwistie = (event.target as Element).closest('.ph5-twistie') !== null;
    if (expanded !== undefined && at > 0 && (onTwistie || !expanded || child?.h5path === selected)) {
      if (expanded) {
        model.collapse(at);
      } else {
        model.expand(at);
      }
    }
    if (!onTwistie) {
      choose(at);
    }
  };

  return (
    <div
      ref={box}
      className="ph5-tree"
      role="tree"
      aria-label={label}
      aria-busy={model.row(1).kind === 'loading'}
      onKeyDown={event => keys.current.handle(event, { model, active: current, focus, choose, page: Math.max(1, last - first - 1) })}
    >
      <div role="none" className="ph5-tree-rows" style={{ height: virtual.getTotalSize() }}>
        {rows.map(({ index, start }) => {
          const row = model.row(index);
          return (
            <Row
              key={row.key}
              row={row}
              path={model.client.path}
              top={start}
              focusable={index === current}
              selected={row.child !== undefined && row.child.h5path === selected}
              onClick={event => onClick(event, index)}
              onFocus={() => setActive(index)}
              onMouseDown={event =>
                row.child && host.press?.(event, { path: model.client.path, h5path: row.child.h5path, child: row.child })
              }
            />
          );
        })}
      </div>
    </div>
  );
}
