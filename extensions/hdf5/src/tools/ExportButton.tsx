import { useEffect, useRef, useState, type ReactElement, type RefObject } from 'react';
import type { IClient } from '../api/client';
import type { IProblem } from '../api/types';
import { Problem, problemOf } from '../vis/errors';
import { ExportIcon } from '../vis/icons';
import { fetchRaw } from '../vis/other/strided';
import { download, fileName, take, toCsv, toNpy } from './files';
import { snapshot } from './snapshot';

type Format = 'npy' | 'tiff' | 'csv' | 'h5';
const EXTENSIONS: Record<Format, string> = { npy: 'npy', tiff: 'tiff', csv: 'csv', h5: 'h5' };
const NAMES: Record<Format, string> = { npy: 'NumPy (.npy)', tiff: 'TIFF', csv: 'CSV', h5: 'NeXus with axes (.h5)' };

interface IProps {
  measured: { client: IClient; h5path: string; slice: string; image?: unknown };
  /** Where the figure is. */
  stage: RefObject<HTMLElement>;
  /** Of the data; an own picture is always there. */
  formats?: readonly Format[];
  /** What the browser has already, as a table. */
  table?: () => string;
}

/** What is shown, as a file. */
export function ExportButton({ measured, stage, formats = ['npy', 'tiff', 'csv', 'h5'], table }: IProps): ReactElement {
  const { client, h5path, slice } = measured;
  const [open, setOpen] = useState(false);
  const [problem, setProblem] = useState<IProblem>();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) {
      return;
    }
    const close = (event: Event) => {
      if (event instanceof KeyboardEvent ? event.key === 'Escape' : !box.current?.contains(event.target as Node)) {
        setOpen(false);
      }
    };
    document.addEventListener('pointerdown', close);
    document.addEventListener('keydown', close);
    return () => {
      document.removeEventListener('pointerdown', close);
      document.removeEventListener('keydown', close);
    };
  }, [open]);
  const run = (action: () => Promise<void>) => {
    setOpen(false);
    setProblem(undefined);
    action().catch((error: unknown) => setProblem(problemOf(error)));
  };
  const png = async () => {
    const figure = stage.current?.querySelector<HTMLElement>('.ph5-figure, figure');
    if (figure) {
      const background = getComputedStyle(figure.closest('.ph5-visualization') ?? figure).backgroundColor;
      download(await snapshot(figure, background), fileName(h5path, slice, 'png'));
    }
  };
  const data = async (format: Format) => {
    const name = fileName(h5path, slice, EXTENSIONS[format]);
    const url = client.url('export', { h5path, slice, format });
    if (url !== null) {
      await take(url, name);
      return;
    }
    const array = await fetchRaw(client, h5path, slice, new AbortController().signal);
    if (format === 'npy') {
      download(toNpy(array), name);
    } else {
      download(toCsv(array.values, array.shape[array.shape.length - 1] ?? 1), name, 'text/csv');
    }
  };
  // without a server, only what the browser can write itself
  const possible = client.url('export', { h5path, slice, format: 'npy' }) === null ? formats.filter(f => f === 'npy' || f === 'csv') : formats;
  return (
    <div className="ph5-export" ref={box}>
      <button
        type="button"
        className="ph5-tool"
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label="Export what is shown"
        title="Export what is shown"
        onClick={() => setOpen(!open)}
      >
        <ExportIcon className="ph5-icon" />
      </button>
      {open && (
        <div role="menu" className="ph5-menu" aria-label="Export">
          <button type="button" role="menuitem" autoFocus onClick={() => run(png)}>
            Picture (.png)
          </button>
          {table && (
            <button type="button" role="menuitem" onClick={() => run(async () => download(table(), fileName(h5path, slice, 'csv'), 'text/csv'))}>
              Curves as shown (.csv)
            </button>
          )}
          {possible.map(format => (
            <button key={format} type="button" role="menuitem" onClick={() => run(() => data(format))}>
              {NAMES[format]}
            </button>
          ))}
        </div>
      )}
      {problem && (
        <div className="ph5-menu">
          <Problem problem={problem} />
          <button type="button" onClick={() => setProblem(undefined)}>
            Close
          </button>
        </div>
      )}
    </div>
  );
}
