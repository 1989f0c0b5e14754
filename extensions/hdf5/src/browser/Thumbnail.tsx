import { useEffect, useRef, useState } from 'react';
import type { ReactElement } from 'react';
import type { IClient } from '../api/client';
import type { IChild } from '../api/types';
import { drawThumbnail, thumbnailKind } from './thumbnail';

interface IThumbnailProps {
  client: IClient;
  child: Pick<IChild, 'h5path' | 'name' | 'shape' | 'type'>;
  colorMap: string;
  revision: number;
}

/** A small picture of a data set, drawn when it comes into sight; nothing where there is none. */
export function Thumbnail({ client, child, colorMap, revision }: IThumbnailProps): ReactElement | null {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [state, setState] = useState<'waiting' | 'drawn' | 'none'>('waiting');
  const kind = thumbnailKind(child);
  const { h5path, shape, type } = child;
  const shapeKey = shape?.join();
  useEffect(() => {
    const element = canvas.current;
    if (!kind || !element) {
      return;
    }
    const abort = new AbortController();
    const draw = (): void => {
      drawThumbnail(element, client, { h5path, shape, type }, colorMap, abort.signal).then(
        () => setState('drawn'),
        () => !abort.signal.aborted && setState('none')
      );
    };
    const observer = new IntersectionObserver(entries => {
      if (entries.some(entry => entry.isIntersecting)) {
        observer.disconnect();
        draw();
      }
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      abort.abort();
    };
    // the shape's and type's identity change with each answer, their meaning with shapeKey only
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [client, h5path, shapeKey, kind, colorMap, revision]);
  if (!kind || state === 'none') {
    return null;
  }
  return <canvas ref={canvas} className={`ph5-thumbnail ph5-mod-${kind}`} data-state={state} role="img" aria-label={`Preview of ${child.name}`} />;
}
