import { useEffect, useMemo, useState } from 'react';
import type { IAnswer, IClient } from '../../api/client';
import type { ILineHeader, IProblem } from '../../api/types';
import { aborted, problemOf } from '../errors';
import { isFresh } from '../image/useFrame';
import { useLatest, useSame } from '../same';
import { fetchCurve, samplesInSight, samplesOf, type ICurve, type ICurveSource } from './curves';

export interface ICurves {
  /** The whole of each curve. */
  whole: ICurve[];
  /** What is in sight, with more detail where there is more. */
  shown: ICurve[];
  problems: IProblem[];
  pending: boolean;
}

const DETAIL_MS = 80;

/** The curves' samples as the screen needs them: buckets of the whole, and of what is in sight once they are finer. */
export function useCurves(
  sources: ICurveSource[] | undefined,
  points: number,
  sight: [number, number] | undefined,
  first: { client: IClient; answer: IAnswer<ILineHeader> } | undefined,
  revision: number
): ICurves {
  const key = JSON.stringify([sources?.map(s => [s.client.path, s.key, s.x?.h5path, s.errors]), revision, points]);
  const [state, setState] = useState<Omit<ICurves, 'shown'>>({ whole: [], problems: [], pending: true });
  const [detail, setDetail] = useState<{ of: ICurve[]; curves: ICurve[] }>();
  const latest = useLatest({ sources, first, points, revision });
  useEffect(() => {
    const { sources, first, points, revision } = latest.current;
    if (!sources) {
      return;
    }
    const abort = new AbortController();
    setState(old => ({ ...old, pending: true }));
    void Promise.allSettled(
      sources.map(source => fetchCurve(source, { points }, abort.signal, knownSamples(source, first, revision)))
    ).then(results => {
      if (abort.signal.aborted) {
        return;
      }
      const whole = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
      const problems = results.flatMap(result =>
        result.status === 'rejected' && !aborted(result.reason) ? [problemOf(result.reason)] : []
      );
      setState({ whole, problems, pending: false });
    });
    return () => abort.abort();
  }, [key, latest]);

  const { whole } = state;
  const seen = useSame(sight);
  const ranges = useSame(
    useMemo(() => whole.map(curve => (seen && curve.samples.header.bucket > 1 ? samplesInSight(curve, seen) : undefined)), [whole, seen])
  );
  useEffect(() => {
    if (!ranges.some(range => range)) {
      setDetail(undefined);
      return;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      void Promise.allSettled(
        whole.map((curve, i) => {
          const range = ranges[i];
          return range ? fetchCurve(curve.source, { range, points: 3 * points }, abort.signal) : curve;
        })
      ).then(results => {
        if (!abort.signal.aborted) {
          const curves = results.map((result, i) => (result.status === 'fulfilled' ? result.value : whole[i]));
          setDetail({ of: whole, curves });
        }
      });
    }, DETAIL_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [whole, ranges, points]);
  return { ...state, shown: detail?.of === whole ? detail.curves : whole };
}

/** What `open` brought along, for the curve that it is of. */
function knownSamples(
  source: ICurveSource,
  first: { client: IClient; answer: IAnswer<ILineHeader> } | undefined,
  revision: number
) {
  if (!first || !isFresh(first.answer, revision) || source.client !== first.client) {
    return undefined;
  }
  const { header, arrays } = first.answer;
  const same = header.h5path === source.h5path && (source.slice === undefined || spaceless(header.slice) === spaceless(source.slice));
  const whole = header.range[0] === 0 && header.range[1] === header.length;
  if (!same || !whole || !arrays.x || !arrays.first) {
    return undefined;
  }
  return samplesOf(first.answer);
}

function spaceless(text: string): string {
  return text.replace(/\s/g, '');
}
