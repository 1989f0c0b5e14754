import { Component } from 'react';
import type { ErrorInfo, ReactNode } from 'react';
import { asProblem } from '../api/problems';
import { Problem } from '../browser/Problem';

interface IBoundaryProps {
  children: ReactNode;
  /** When this changes it is tried again. */
  subject: string;
}

/** A part that fails says so in its place; the rest stays. */
export class Boundary extends Component<IBoundaryProps, { error: unknown; subject: string }> {
  state = { error: null as unknown, subject: this.props.subject };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  static getDerivedStateFromProps(props: IBoundaryProps, state: { subject: string }): object | null {
    return props.subject === state.subject ? null : { error: null, subject: props.subject };
  }

  componentDidCatch(error: Error, info: ErrorInfo): void {
    console.error('A part of the HDF5 viewer failed.', error, info.componentStack);
  }

  render(): ReactNode {
    const { error } = this.state;
    if (error === null) {
      return this.props.children;
    }
    const problem = asProblem(error);
    const words = { ...problem, message: `This could not be drawn: ${problem.message}` };
    return <Problem problem={words} onRetry={() => this.setState({ error: null })} />;
  }
}
