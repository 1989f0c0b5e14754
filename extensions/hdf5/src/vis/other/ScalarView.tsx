import type { ReactElement } from 'react';
import type { IType, IValues } from '../../api/types';
import { Problem } from '../errors';
import { useFetched } from '../fetching';
import type { IVisProps } from '../props';
import { formatCell } from '../table/MatrixView';

/** One value: a number with its unit, text as it is, a reference as a way to its target, an enum by name. */
export function ScalarView(props: IVisProps): ReactElement {
  const { client, entity, change, revision } = props;
  const h5path = entity.kind === 'group' ? (entity.plot?.signal ?? entity.h5path) : entity.h5path;
  const { value, problem } = useFetched(JSON.stringify([client.path, h5path, revision]), signal =>
    client.json<IValues>('values', { h5path, slice: '' }, signal)
  );
  if (problem) {
    return <Problem problem={problem} />;
  }
  if (!value) {
    return <p className="ph5-note">Reading…</p>;
  }
  const { type, values } = value;
  if (type.class === 'compound') {
    return <Fields names={type.fields} values={values as unknown[]} />;
  }
  const units = entity.plot?.units ?? unitsOf(props);
  if (type.class === 'reference' && typeof values === 'string' && values.startsWith('/')) {
    return (
      <p className="ph5-scalar" data-vis="scalar">
        <button type="button" className="ph5-link" onClick={() => change({ h5path: values, vis: undefined, slice: undefined })}>
          {values}
        </button>
      </p>
    );
  }
  const text = values === null ? 'There is no value.' : formatCell(values, type);
  const long = text.length > 60 || text.includes('\n');
  return (
    <div className="ph5-scalar" data-vis="scalar">
      {long ? <pre tabIndex={0}>{text}</pre> : <output>{units ? `${text} ${units}` : text}</output>}
    </div>
  );
}

function unitsOf({ entity }: IVisProps): string | undefined {
  const units = entity.attributes.find(attribute => attribute.name === 'units')?.value;
  return typeof units === 'string' ? units : undefined;
}

function Fields({ names, values }: { names: { name: string; type: IType }[]; values: unknown[] }): ReactElement {
  return (
    <table className="ph5-fields" data-vis="scalar">
      <tbody>
        {names.map(({ name, type }, i) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{formatCell(values[i], type)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
