import { useEffect, useId, useRef, type PropsWithChildren, type ReactElement, type ReactNode } from 'react';
import type { IProblem } from '../api/types';
import { Problem } from '../vis/errors';

interface IProps {
  title: string;
  onClose: () => void;
  controls?: ReactNode;
  problem?: IProblem;
  busy?: boolean;
}

/** A measurement below the image: its name, its numbers, its plot. */
export function Panel({ title, onClose, controls, problem, busy, children }: PropsWithChildren<IProps>): ReactElement {
  const id = useId();
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    // in braces: newer browsers return a promise, which is no clean-up
    section.current?.scrollIntoView?.({ block: 'nearest' });
  }, []);
  return (
    <section ref={section} className="ph5-toolpanel" aria-labelledby={id} aria-busy={busy ?? false}>
      <header className="ph5-panel-header">
        <h3 id={id}>{title}</h3>
        {controls}
        {busy && <span className="ph5-busy">measuring…</span>}
        <button type="button" className="ph5-close" aria-label={`Close ${title}`} onClick={onClose}>
          ×
        </button>
      </header>
      {problem && <Problem problem={problem} />}
      {children}
    </section>
  );
}
