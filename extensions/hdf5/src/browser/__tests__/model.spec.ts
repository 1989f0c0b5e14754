import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { IClient, Parameters } from '../../api/client';
import { ServerProblem } from '../../api/client';
import type { IChild, IChildren } from '../../api/types';
import { PAGE, TreeModel } from '../model';

/** A file whose groups are listed by path; names ending in `/` are groups. */
class FakeFile {
  asked: Parameters[] = [];
  constructor(readonly groups: Record<string, string[]>) {}

  client(): IClient {
    return { path: 'x.h5', json: async (_: string, parameters: Parameters) => this.children(parameters) } as unknown as IClient;
  }

  children(parameters: Parameters): IChildren {
    this.asked.push(parameters);
    const h5path = parameters.h5path as string;
    const names = this.groups[h5path];
    if (!names) {
      throw new ServerProblem({ code: 'unreadable', message: 'This group is broken.' }, 422);
    }
    const ordered = parameters.descending ? [...names].reverse() : names;
    const offset = parameters.offset as number;
    const children = ordered.slice(offset, offset + (parameters.limit as number)).map((raw): IChild => {
      const name = raw.replace('/', '');
      const path = `${h5path === '/' ? '' : h5path}/${name}`;
      return raw.endsWith('/')
        ? { name, h5path: path, kind: 'group', link: { type: 'hard' }, n_children: this.groups[path]?.length ?? 1 }
        : { name, h5path: path, kind: 'dataset', link: { type: 'hard' } };
    });
    return { h5path, total: names.length, offset, sort: parameters.sort as 'natural', children };
  }
}

function names(model: TreeModel): string[] {
  return Array.from({ length: model.size }, (_, at) => {
    const row = model.row(at);
    return '  '.repeat(row.level - 1) + (row.child?.name ?? row.problem?.message ?? '…');
  });
}

async function settled(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve));
}

let file: FakeFile;
let model: TreeModel;

beforeEach(async () => {
  file = new FakeFile({
    '/': ['entry/', 'empty/', 'broken/', 'x'],
    '/entry': ['data/', 'title'],
    '/entry/data': ['image', 'time'],
    '/empty': []
  });
  model = new TreeModel(file.client(), 'x.h5');
  model.ensure(0, 10);
  await settled();
});

describe('the tree', () => {
  it('starts with the root’s children, from one request', () => {
    expect(names(model)).toEqual(['x.h5', '  entry', '  empty', '  broken', '  x']);
    expect(file.asked.length).toBe(1);
    expect(model.row(1)).toMatchObject({ level: 2, position: 1, setsize: 4, expanded: false });
    expect(model.row(2).expanded).toBeUndefined();
    expect(model.row(4).expanded).toBeUndefined();
  });

  it('opens and closes groups in place', async () => {
    model.expand(1);
    expect(names(model)).toEqual(['x.h5', '  entry', '    …', '  empty', '  broken', '  x']);
    await settled();
    model.expand(2);
    await settled();
    expect(names(model)).toEqual(['x.h5', '  entry', '    data', '      image', '      time', '    title', '  empty', '  broken', '  x']);
    expect(model.find('/entry/data/time')).toBe(4);
    expect(model.find('/x')).toBe(8);
    expect(model.parentOf(4)).toBe(2);
    model.collapse(1);
    expect(model.size).toBe(5);
    expect(model.find('/entry/data')).toBe(-1);
  });

  it('says what is wrong with a group in its place, and tries again', async () => {
    model.expand(3);
    await settled();
    expect(names(model)[4]).toBe('    This group is broken.');
    file.groups['/broken'] = ['mended'];
    model.retry(4);
    await settled();
    expect(names(model)[4]).toBe('    mended');
  });

  it('finds its way to an object', async () => {
    expect(await model.reveal('/entry/data/image')).toBe(3);
    expect(await model.reveal('/entry/nothing')).toBe(-1);
    expect(await model.reveal('/')).toBe(0);
  });

  it('takes pages that came with another answer', () => {
    file.asked = [];
    const page = (h5path: string): IChildren => ({ ...file.children({ h5path, offset: 0, limit: 50, sort: 'natural' }) });
    const other = new TreeModel(file.client(), 'x.h5');
    other.adopt(page('/'), page('/entry'), page('/entry/data'));
    expect(other.find('/entry/data/image')).toBe(3);
    other.adopt({ ...page('/'), sort: 'name', children: [] });
    expect(other.size).toBe(9);
  });

  it('keeps open what was open in another order', async () => {
    await model.reveal('/entry/data/image');
    model.setSort('natural', true);
    await vi.waitFor(() => expect(model.find('/entry/data/image')).toBeGreaterThan(0));
    expect(names(model)).toEqual(['x.h5', '  x', '  broken', '  empty', '  entry', '    title', '    data', '      time', '      image']);
  });

  it('shows the old until the new is here, and follows what moved', async () => {
    await model.reveal('/entry/title');
    file.groups['/'] = ['before', 'entry/', 'x'];
    model.refresh();
    expect(names(model)[1]).toBe('  entry');
    model.ensure(0, 20);
    await settled();
    expect(names(model)).toEqual(['x.h5', '  before', '  entry', '    data', '    title', '  x']);
  });
});

describe('a group of 100,000', () => {
  it('asks for the pages in sight only', async () => {
    const many = new FakeFile({ '/': Array.from({ length: 100_000 }, (_, i) => (i === 3 ? 'g/' : `d${i}`)), '/g': ['a', 'b'] });
    const big = new TreeModel(many.client(), 'big.h5');
    big.ensure(0, 30);
    await settled();
    expect(big.size).toBe(100_001);
    big.expand(4);
    await settled();
    expect(big.size).toBe(100_003);
    expect(many.asked.length).toBe(2);
    big.ensure(90_000, 90_030);
    big.ensure(90_001, 90_031);
    await settled();
    expect(many.asked.map(p => p.offset)).toEqual([0, 0, 89_800, 90_000]);
    expect(big.row(90_000).child?.name).toBe('d89997');
    expect(big.row(50_000)).toMatchObject({ kind: 'loading', position: 49_998, setsize: 100_000 });
    expect(big.find('/d89997')).toBe(90_000);
    expect(PAGE).toBeLessThan(1000);
  });
});
