import type { ReactElement } from 'react';
import type { IClient } from '../api/client';
import type { IFinding } from '../api/types';
import { Problem } from '../browser/Problem';
import { useAnswer } from '../browser/useAnswer';

const ORDER: IFinding['level'][] = ['error', 'warning', 'note'];
const WORDS = { error: 'Error', warning: 'Warning', note: 'Note' };

interface ICheckProps {
  client: IClient;
  revision: number;
  onSelect(h5path: string): void;
}

/** What NeXus' rules say about the file. */
export function CheckPanel({ client, revision, onSelect }: ICheckProps): ReactElement {
  const ask = async (signal: AbortSignal): Promise<IFinding[]> => {
    const found = await client.json<IFinding[] | { findings: IFinding[] }>('check', { h5path: '/' }, signal);
    return Array.isArray(found) ? found : found.findings;
  };
  const { answer, problem } = useAnswer(ask, `${client.path}\ncheck`, revision);
  if (problem) {
    return <Problem problem={problem} />;
  }
  if (!answer) {
    return <p className="ph5-note">Checking against the NeXus definitions…</p>;
  }
  const sorted = [...answer].sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
  return (
    <div className="ph5-check">
      <p role="status" className="ph5-note">
        {summary(answer)}
      </p>
      <ul>
        {sorted.map((finding, i) => (
          <li key={i} data-level={finding.level}>
            <span className="ph5-level">{WORDS[finding.level]}</span>
            <button type="button" className="ph5-pathbutton" onClick={() => onSelect(finding.h5path)}>
              {finding.h5path}
            </button>
            <p>{finding.message}</p>
            {finding.source && <p className="ph5-source">{finding.source}</p>}
          </li>
        ))}
      </ul>
    </div>
  );
}

function summary(findings: IFinding[]): string {
  if (!findings.length) {
    return 'Nothing to complain about: the file keeps to NeXus’ rules as far as they are checked.';
  }
  return ORDER.map(level => {
    const n = findings.filter(finding => finding.level === level).length;
    return n ? `${n} ${WORDS[level].toLowerCase()}${n === 1 ? '' : 's'}` : '';
  })
    .filter(Boolean)
    .join(', ');
}
