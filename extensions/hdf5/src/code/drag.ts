import { MimeData } from '@lumino/coreutils';
import { Drag } from '@lumino/dragdrop';
import type { IChild } from '../api/types';
import { pathFrom } from './paths';
import { preferences } from './preferences';
import { snippet } from './snippets';
import { subjectOf } from './subject';

const CELLS = 'application/vnd.jupyter.cells';
const TEXT = 'text/plain';
const FAR_ENOUGH = 5;

/** A data set that is dragged. */
export interface IDragSource {
  /** Contents path, or URL. */
  path: string;
  h5path: string;
  slice?: string;
  /** What the tree knows of it, so that the code is right at once. */
  child?: IChild;
}

let notebookAt: (element: Element | null) => string | null = () => null;

/** Who knows which notebook an element belongs to. */
export function setNotebookFinder(find: typeof notebookAt): void {
  notebookAt = find;
}

/**
 * Call when a mouse button goes down on a data set: once the mouse has moved a little, a drag begins whose drop is code, a new cell
 * in a notebook and text in an editor. A click stays a click.
 */
export function startCodeDrag(event: MouseEvent | { nativeEvent: MouseEvent }, source: IDragSource): void {
  const down = 'nativeEvent' in event ? event.nativeEvent : event;
  if (down.button !== 0) {
    return;
  }
  const over = new AbortController();
  const { signal } = over;
  const moved = (move: MouseEvent): void => {
    if (Math.hypot(move.clientX - down.clientX, move.clientY - down.clientY) >= FAR_ENOUGH) {
      over.abort();
      begin(move, source);
    }
  };
  document.addEventListener('mousemove', moved, { capture: true, signal });
  document.addEventListener('mouseup', () => over.abort(), { capture: true, signal });
  // Else the browser marks text, and its own drag of that text takes the place of ours.
  document.addEventListener('selectstart', stop => stop.preventDefault(), { capture: true, signal });
  document.addEventListener('dragstart', stop => stop.preventDefault(), { capture: true, signal });
}

function begin(event: MouseEvent, source: IDragSource): void {
  const mimeData = new CodeMimeData(source);
  const drag = new Drag({
    mimeData,
    dragImage: dragImage(source),
    proposedAction: 'copy',
    supportedActions: 'copy',
    source: mimeData
  });
  void drag.start(event.clientX, event.clientY).then(() => mimeData.stop());
}

/** The path depends on the notebook under the pointer, so the code is written when it is asked for. */
export class CodeMimeData extends MimeData {
  private _target: Element | null = null;
  private readonly _over = new AbortController();

  constructor(private readonly _source: IDragSource) {
    super();
    super.setData(CELLS, null);
    super.setData(TEXT, null);
    // On the window: Lumino's drag stops the events at the document.
    const look = (event: MouseEvent): void => {
      this._target = document.elementFromPoint(event.clientX, event.clientY);
    };
    for (const type of ['mousemove', 'mouseup', 'pointermove', 'pointerup'] as const) {
      window.addEventListener(type, look, { capture: true, signal: this._over.signal });
    }
  }

  getData(mime: string): unknown {
    if (mime === TEXT) {
      return this._code();
    }
    if (mime === CELLS) {
      return [{ cell_type: 'code', source: this._code(), metadata: {}, outputs: [], execution_count: null }];
    }
    return super.getData(mime);
  }

  stop(): void {
    this._over.abort();
  }

  private _code(): string {
    const { path, h5path, slice, child } = this._source;
    const here = pathFrom(notebookAt(this._target), path);
    return snippet(preferences.flavour, subjectOf(here, h5path, slice, child)).code;
  }
}

function dragImage(source: IDragSource): HTMLElement {
  const image = document.createElement('div');
  image.className = 'jp-HDF5-dragImage';
  image.textContent = source.h5path;
  return image;
}
