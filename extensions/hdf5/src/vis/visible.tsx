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
    const observer = new IntersectionObserver(entries => {
      const last = entries[entries.length - 1];
      setVisible(last.isIntersecting && last.boundingClientRect.width > 0);
    });
    observer.observe(watched);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={element} className="ph5-visible" data-visible={visible}>
      {visible ? children : null}
    </div>
  );
}
