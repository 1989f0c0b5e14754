import type { ReactElement } from 'react';
import type { IProblem } from '../api/types';
import { Icon } from './icons';

interface IProblemProps {
  problem: IProblem;
  onRetry?(): void;
}

/** A failure in words, with what to do about it. */
export function Problem({ problem, onRetry }: IProblemProps): ReactElement {
  return (
    <div className="ph5-problem" role="alert" data-code={problem.code}>
      <Icon name="error" />
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
