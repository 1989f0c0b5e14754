import { useEffect, useState } from 'react';
import { asProblem, isAbort } from '../api/problems';
import type { IProblem } from '../api/types';

export interface IAsked<T> {
  answer?: T;
  problem?: IProblem;
  /** Whether a newer answer is on its way. */
  busy: boolean;
}

/** Ask when `key` changes; what was answered before stays until the next answer unless `key`'s first part changed. */
export function useAnswer<T>(question: (signal: AbortSignal) => Promise<T>, subject: string, version: unknown = 0): IAsked<T> {
  const [asked, setAsked] = useState<IAsked<T> & { subject: string }>({ busy: true, subject });
  useEffect(() => {
    const abort = new AbortController();
    setAsked(before => ({ ...(before.subject === subject ? before : {}), busy: true, subject }));
    question(abort.signal).then(
      answer => !abort.signal.aborted && setAsked({ answer, busy: false, subject }),
      error => {
        if (!abort.signal.aborted && !isAbort(error)) {
          setAsked({ problem: asProblem(error), busy: false, subject });
        }
      }
    );
    return () => abort.abort();
    // the question is made of the subject and the version
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [subject, version]);
  return asked.subject === subject ? asked : { busy: true };
}
