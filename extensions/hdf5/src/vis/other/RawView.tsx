import { useState, type ReactElement } from 'react';
import type { IValues } from '../../api/types';
import { Problem } from '../errors';
import { useFetched } from '../fetching';
import { formatCount } from '../format';
import type { IVisProps } from '../props';
import { formatSlice, sliceFor } from '../slices';

const LINE = 16;
const LINES = 2000;

/** Bytes, sixteen a line: where they are, hexadecimal, and as text. */
export function RawView({ client, entity, state, revision }: IVisProps): ReactElement {
  const shape = entity.shape ?? [];
  const [index, setIndex] = useState(0);
  const flat = shape.length === 1;
  const slice = flat ? String(index) : formatSlice(sliceFor(shape, [], state.slice));
  const { value, problem } = useFetched(JSON.stringify([client.path, entity.h5path, slice, revision]), signal =>
    client.json<IValues>('values', { h5path: entity.h5path, slice }, signal)
  );
  if (problem) {
    return <Problem problem={problem} />;
  }
  const hex = typeof value?.values === 'string' ? value.values : '';
  const lines = Math.ceil(hex.length / 2 / LINE);
  return (
    <div className="ph5-vis ph5-raw" data-vis="raw">
      {flat && shape[0] > 1 && (
        <label className="ph5-number">
          <span>Element</span>
          <input
            type="number"
            min={0}
            max={shape[0] - 1}
            value={index}
            onChange={event => setIndex(Math.min(Math.max(event.target.valueAsNumber || 0, 0), shape[0] - 1))}
          />
        </label>
      )}
      <p className="ph5-note">
        {value ? `${formatCount(hex.length / 2)} bytes${lines > LINES ? `, the first ${formatCount(LINES * LINE)} of them here` : ''}` : 'Reading…'}
      </p>
      <pre tabIndex={0} aria-label="Bytes in hexadecimal and as text">
        {Array.from({ length: Math.min(lines, LINES) }, (_, i) => dumpLine(hex, i)).join('\n')}
      </pre>
    </div>
  );
}

/** One line of a dump. */
export function dumpLine(hex: string, line: number): string {
  const bytes = hex.slice(line * 2 * LINE, (line + 1) * 2 * LINE).match(/../g) ?? [];
  const text = bytes.map(byte => {
    const code = parseInt(byte, 16);
    return code >= 32 && code < 127 ? String.fromCharCode(code) : '.';
  });
  return `${(line * LINE).toString(16).padStart(8, '0')}  ${bytes.join(' ').padEnd(LINE * 3 - 1)}  ${text.join('')}`;
}
