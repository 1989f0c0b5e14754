import { Component, type PropsWithChildren, type ReactElement, type ReactNode } from 'react';
import { asProblem } from '../api/problems';
import type { IProblem } from '../api/types';

export { asProblem as problemOf, isAbort as aborted } from '../api/problems';

/** What happened and what to do, in words. */
export function Problem({ problem, retry }: { problem: IProblem; retry?: () => void }): ReactElement {
  return (
    <div className="ph5-problem" role="alert">
      <p>{problem.message}</p>
      {problem.remedy && <p className="ph5-problem-remedy">{problem.remedy}</p>}
      {retry && (
        <button type="button" className="ph5-button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

interface IBoundaryState {
  error: unknown;
}

/** A view that fails leaves the panels and toolbars around it alone. `of` is what it shows: a new one is a new try. */
export class ViewBoundary extends Component<PropsWithChildren<{ of: string }>, IBoundaryState> {
  state: IBoundaryState = { error: undefined };

  static getDerivedStateFromError(error: unknown): IBoundaryState {
    return { error };
  }

  componentDidUpdate(previous: { of: string }): void {
    if (previous.of !== this.props.of && this.state.error !== undefined) {
      this.setState({ error: undefined });
    }
  }

  render(): ReactNode {
    if (this.state.error === undefined) {
      return this.props.children;
    }
    return <Problem problem={asProblem(this.state.error)} retry={() => this.setState({ error: undefined })} />;
  }
}
