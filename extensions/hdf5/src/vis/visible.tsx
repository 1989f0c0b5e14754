import { useEffect, useRef, useState, type PropsWithChildren, type ReactElement } from 'react';

/**
 * Draws its children only while it is on screen. A hidden tab would keep a WebGL context of the dozen or so that a browser
 * grants to a page; the least recently used one is then taken away, in the middle of somebody's picture.
 */
export function WhenVisible({ children }: PropsWithChildren): ReactElement {
  const element = useRef<HTMLDivElement>(null);
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const watched = element.current;
    if (!watched) {
      return;
    }
    let onScreen = false;
    const update = (): void => setVisible(onScreen && watched.clientWidth > 0);
    const observer = new IntersectionObserver(entries => {
      onScreen = entries[entries.length - 1].isIntersecting;
      update();
    });
    // what had no width is on screen already when it gets one: nothing new for the other observer
    const resized = new ResizeObserver(update);
    observer.observe(watched);
    resized.observe(watched);
    return () => {
      observer.disconnect();
      resized.disconnect();
    };
  }, []);
  return (
    <div ref={element} className="ph5-visible" data-visible={visible}>
      {visible ? children : null}
    </div>
  );
}
