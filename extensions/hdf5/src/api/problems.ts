import { ServerProblem } from './client';
import type { IProblem } from './types';

/** Any failure as words: what happened, why, what to do. */
export function asProblem(error: unknown): IProblem {
  if (error instanceof ServerProblem) {
    return error.problem;
  }
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message)) {
    return {
      code: 'connection',
      message: 'The connection to the server is lost.',
      remedy: 'Check that your server still runs, and try again.'
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'error', message: message || 'Something failed without saying what.' };
}

/** Whether it was we who gave up. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** The error of an answer that is not 200. */
export async function problemOf(response: Response): Promise<ServerProblem> {
  let problem: IProblem | undefined;
  try {
    problem = problemIn(await response.json());
  } catch {
    // a proxy's page, or nothing
  }
  return new ServerProblem(problem ?? fallback(response.status), response.status);
}

/** What a body, or the last part of a stream, says about a failure. */
export function problemIn(body: unknown): IProblem | undefined {
  if (typeof body !== 'object' || body === null) {
    return undefined;
  }
  const found = ('error' in body ? body.error : body) as Partial<IProblem> | null;
  if (typeof found !== 'object' || found === null || typeof found.message !== 'string' || !found.message) {
    return undefined;
  }
  return { code: 'error', ...found } as IProblem;
}

function fallback(status: number): IProblem {
  switch (status) {
    case 401:
    case 403:
      return {
        code: 'forbidden',
        message: 'The server does not let you read this.',
        remedy: 'If you were logged out, log in again in another tab and try once more.'
      };
    case 404:
      return {
        code: 'not_found',
        message: 'The server has no such file, or lacks its HDF5 part.',
        remedy: 'Check the path, and that "jupyter server extension list" names panosc_hdf5.'
      };
    case 502:
    case 503:
    case 504:
      return { code: 'busy', message: 'The server does not answer at the moment.', remedy: 'Try again in a moment.' };
    default:
      return { code: 'error', message: `The server answered with the error ${status}.` };
  }
}
