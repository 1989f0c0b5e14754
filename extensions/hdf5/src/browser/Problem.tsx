import type { ReactElement } from 'react';
import type { IProblem } from '../api/types';
import { Icon } from './icons';

interface IProblemProps {
  problem: IProblem;
  onRetry?(): void;
  /** What is shown is right, but not all of what was meant. */
  note?: boolean;
}

/** A failure in words, with what to do about it. */
export function Problem({ problem, onRetry, note = false }: IProblemProps): ReactElement {
  return (
    <div className={note ? 'ph5-problem ph5-mod-note' : 'ph5-problem'} role={note ? 'note' : 'alert'} data-code={problem.code}>
      <Icon name={note ? 'info' : 'error'} />
      <div>
        <p>{problem.message}</p>
        {problem.remedy && <p className="ph5-remedy">{problem.remedy}</p>}
        {onRetry && (
          <button type="button" className="ph5-button" onClick={onRetry}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}
