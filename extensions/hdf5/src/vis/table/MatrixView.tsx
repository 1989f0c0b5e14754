import { useCallback, useMemo, useState, useSyncExternalStore, type ReactElement } from 'react';
import type { IClient } from '../../api/client';
import type { IType, IValues } from '../../api/types';
import { Problem, problemOf } from '../errors';
import { formatCount, formatValue } from '../format';
import type { IVisProps } from '../props';
import { SightStore } from '../sightStore';
import { chooseDimensions, formatSlice, rangeOf, sliceFor, withEntry, type SliceEntry } from '../slices';
import { useSame } from '../same';
import { BLOCK_COLUMNS, BLOCK_ROWS, blocksIn, type ISpan } from './grid';
import { Grid } from './Grid';

const BUDGET = 16 * 2 ** 20;
const CELL_BYTES = 24;

/** What a table shows: rows along one dimension; columns along another, or a compound's fields. */
interface ILayout {
  h5path: string;
  entries: SliceEntry[];
  rowDimension: number | undefined;
  columnDimension: number | undefined;
  rows: { start: number; step: number; count: number };
  columns: { start: number; step: number; count: number };
  fields: string[] | undefined;
}

const ONE = { start: 0, step: 1, count: 1 };

function layoutOf({ entity, state }: IVisProps, fields: string[] | undefined): ILayout {
  const h5path = entity.kind === 'group' ? (entity.plot?.signal ?? entity.h5path) : entity.h5path;
  const shape = (entity.kind === 'group' ? entity.plot?.shape : entity.shape) ?? [];
  const count = fields || shape.length < 2 ? Math.min(shape.length, 1) : 2;
  const dimensions = chooseDimensions(shape, count, state.slice, state.axes);
  const entries = sliceFor(shape, dimensions, state.slice);
  const [rowDimension, columnDimension] = dimensions;
  const range = (d: number | undefined) => (d === undefined ? ONE : rangeOf(entries[d], shape[d]));
  return {
    h5path,
    entries,
    rowDimension,
    columnDimension,
    rows: range(rowDimension),
    columns: fields ? { ...ONE, count: fields.length } : range(columnDimension),
    fields
  };
}

function sliceOf({ start, step, count }: ILayout['rows'], first: number, length: number): string {
  const last = Math.min(first + length, count);
  return `${start + first * step}:${start + (last - 1) * step + 1}${step === 1 ? '' : `:${step}`}`;
}

/** Cells, and the type of their data set: an NXdata does not say that of its signal. */
interface ICells {
  rows: unknown[][];
  type: IType;
}

async function loadBlock(client: IClient, layout: ILayout, row: number, column: number, signal: AbortSignal): Promise<ICells> {
  const { h5path, rowDimension, columnDimension, rows, columns, fields } = layout;
  let entries = layout.entries;
  if (rowDimension !== undefined) {
    entries = withEntry(entries, rowDimension, sliceOf(rows, row * BLOCK_ROWS, BLOCK_ROWS));
  }
  if (columnDimension !== undefined && !fields) {
    entries = withEntry(entries, columnDimension, sliceOf(columns, column * BLOCK_COLUMNS, BLOCK_COLUMNS));
  }
  const answer = await client.json<IValues>('values', { h5path, slice: formatSlice(entries) }, signal);
  const values = rowDimension === undefined ? [answer.values] : (answer.values as unknown[]);
  const { type } = answer;
  if (fields) {
    return { rows: values as unknown[][], type };
  }
  if (columnDimension === undefined) {
    return { rows: values.map(value => [value]), type };
  }
  const table = values as unknown[][];
  return { rows: rowDimension! < columnDimension ? table : (table[0] ?? []).map((_, c) => table.map(line => line[c])), type };
}

/** Exact values of two dimensions. */
export function MatrixView(props: IVisProps): ReactElement {
  return <Table {...props} fields={undefined} />;
}

/** Exact values of a compound data set, a column for each field. */
export function CompoundView(props: IVisProps): ReactElement {
  const type = props.entity.type;
  const names = type?.class === 'compound' ? type.fields.map(field => field.name) : undefined;
  return <Table {...props} fields={names} />;
}

function Table(props: IVisProps & { fields: string[] | undefined }): ReactElement {
  const { client, entity, revision } = props;
  const fields = useSame(props.fields);
  const layout = useSame(layoutOf(props, fields));
  // another part of the table, or a changed file: other cells
  const { store } = useMemo(() => {
    const size = ({ rows }: ICells): number => rows.length * (rows[0]?.length ?? 0) * CELL_BYTES;
    return { of: [client, layout, revision], store: new SightStore<ICells>(BUDGET, size) };
  }, [client, layout, revision]);
  const [sight, setSight] = useState<[ISpan, ISpan]>();
  useSyncExternalStore(store.subscribe, store.snapshot);
  const blocks = sight ? blocksIn(...sight) : [];
  const onSight = useCallback(
    (rows: ISpan, columns: ISpan) => {
      setSight([rows, columns]);
      // a compound's fields come all at once
      const wanted = blocksIn(rows, fields ? { first: 0, last: 1, offset: 0 } : columns);
      store.want(
        wanted.map(({ row, column }) => ({
          name: `${row}/${column}`,
          load: signal => loadBlock(client, layout, row, column, signal)
        }))
      );
    },
    [store, client, layout, fields]
  );
  const cell = (row: number, column: number) => {
    const blockColumn = fields ? 0 : Math.floor(column / BLOCK_COLUMNS);
    const block = store.get(`${Math.floor(row / BLOCK_ROWS)}/${blockColumn}`);
    const value = block?.rows[row % BLOCK_ROWS]?.[fields ? column : column % BLOCK_COLUMNS];
    return block && formatCell(value, block.type);
  };
  const failure = blocks.map(({ row, column }) => store.failure(`${row}/${fields ? 0 : column}`)).find(error => error !== undefined);
  const { rows, columns } = layout;
  if (rows.count === 0 || columns.count === 0) {
    return <p className="ph5-note">This data set is empty.</p>;
  }
  return (
    <div className="ph5-vis ph5-table" data-vis={fields ? 'compound' : 'matrix'}>
      {failure !== undefined && <Problem problem={problemOf(failure)} />}
      <p className="ph5-table-size">
        {formatCount(rows.count)} {rows.count === 1 ? 'row' : 'rows'}, {formatCount(columns.count)}{' '}
        {columns.count === 1 ? 'column' : 'columns'}
        {entity.type ? `, ${typeName(entity.type)}` : ''}
      </p>
      <Grid
        label={`Values of ${layout.h5path}`}
        rows={rows.count}
        columns={columns.count}
        columnWidth={fields ? 150 : widthOf(entity.type)}
        rowHeader={row => String(rows.start + row * rows.step)}
        columnHeader={column => (fields ? fields[column] : layout.columnDimension === undefined ? 'value' : String(columns.start + column * columns.step))}
        cell={cell}
        onSight={onSight}
      />
    </div>
  );
}

/** `uint16`, `text`, `compound`. */
export function typeName(type: IType): string {
  switch (type.class) {
    case 'integer':
      return `${type.signed ? '' : 'u'}int${type.size * 8}`;
    case 'float':
    case 'complex':
      return `${type.class}${type.size * 8}`;
    case 'string':
      return 'text';
    default:
      return type.class;
  }
}

function widthOf(type: IType | undefined): number {
  if ((type?.class === 'integer' && type.size === 8) || type?.class === 'complex') {
    return 190;
  }
  return type?.class === 'string' || type?.class === 'vlen' || type?.class === 'array' || type?.class === 'opaque' ? 280 : 116;
}

/** A complex number as one; all else as it is. */
export function formatCell(value: unknown, type: IType | undefined): string {
  if (type?.class === 'complex' && Array.isArray(value) && value.length === 2) {
    return formatComplex(value[0], value[1]);
  }
  return typeof value === 'string' ? value : formatValue(value);
}

export function formatComplex(real: unknown, imaginary: unknown): string {
  const text = formatValue(imaginary);
  return text.startsWith('−') ? `${formatValue(real)} − ${text.slice(1)}i` : `${formatValue(real)} + ${text}i`;
}
