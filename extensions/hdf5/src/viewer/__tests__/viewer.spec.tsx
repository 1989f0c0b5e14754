import { act, cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { IClient, Parameters } from '../../api/client';
import { ServerProblem } from '../../api/client';
import type { IChildren, IEntity, ILiveState, IOpen } from '../../api/types';
import type { IViewState } from '../../state/viewState';
import type { IVisProps } from '../../vis/props';
import { EmbeddedViewer } from '../EmbeddedViewer';

// What is drawn is the views' affair: here only what they are told.
const drawn: IVisProps[] = [];
vi.mock('../../vis', () => ({
  Visualization: (props: IVisProps) => {
    drawn.push(props);
    return <p>picture of {props.entity.h5path}</p>;
  }
}));

const SHAPE = [10, 40, 50];

class FakeClient implements IClient {
  readonly path = 'x.h5';
  readonly asked: [string, Parameters][] = [];
  broken: string | null = null;
  shape = SHAPE;
  changed: ((state: ILiveState) => void) | null = null;
  forget = vi.fn();

  async json<T>(operation: string, parameters: Parameters = {}): Promise<T> {
    this.asked.push([operation, parameters]);
    return (operation === 'children' ? this.children(parameters.h5path as string) : {}) as T;
  }

  async arrays<H>(operation: string, parameters: Parameters = {}) {
    this.asked.push([operation, parameters]);
    const h5path = (parameters.h5path as string) ?? '/entry/data';
    if (h5path === this.broken) {
      throw new ServerProblem({ code: 'unreadable', message: 'The chunk is damaged.', remedy: 'Copy the file again.' }, 422);
    }
    const header: IOpen = {
      file: { name: 'x.h5', size: 1_730_000, mtime: 1, being_written: true, remote: false },
      root: this.children('/'),
      default_path: '/entry/data',
      entity: this.entity(h5path),
      ancestors: [this.children('/entry')]
    };
    return { header: header as H, arrays: {}, stored: {}, nbytes: 1 };
  }

  async *stream(): AsyncIterable<never> {}

  async *lines(): AsyncIterable<never> {}

  url(): null {
    return null;
  }

  follow(_: string, changed: (state: ILiveState) => void): () => void {
    this.changed = changed;
    return () => undefined;
  }

  private entity(h5path: string): IEntity {
    const base = { name: h5path, h5path, link: { type: 'hard' as const }, attributes: [] };
    if (h5path === '/entry') {
      return { ...base, kind: 'group', views: ['group'] };
    }
    return { ...base, kind: 'dataset', shape: this.shape, maxshape: [null, 40, 50], views: ['heatmap', 'line', 'matrix'] };
  }

  private children(h5path: string): IChildren {
    const names = { '/': ['entry'], '/entry': ['data', 'other'] }[h5path] ?? [];
    const children = names.map(name => ({
      name,
      h5path: h5path === '/' ? `/${name}` : `${h5path}/${name}`,
      kind: name === 'entry' ? ('group' as const) : ('dataset' as const),
      link: { type: 'hard' as const }
    }));
    return { h5path, total: children.length, offset: 0, sort: 'natural', children };
  }
}

function show(client: FakeClient, initial: IViewState) {
  const told: IViewState[] = [];
  const onState = (state: IViewState) => told.push(state);
  const element = (state: IViewState) => <EmbeddedViewer client={client} initial={state} onState={onState} theme="light" />;
  const { rerender } = render(element(initial));
  return { told, adopt: (state: IViewState) => rerender(element(state)) };
}

const last = (): IVisProps => drawn[drawn.length - 1];

afterEach(() => {
  cleanup();
  drawn.length = 0;
});

describe('the viewer', () => {
  it('opens the default with one request, and says which it was', async () => {
    const client = new FakeClient();
    const { told } = show(client, { h5path: '' });
    await screen.findByText('picture of /entry/data');
    expect(client.asked.filter(([operation]) => operation === 'open').length).toBe(1);
    expect(client.asked.some(([operation]) => operation === 'children')).toBe(false);
    expect(told[told.length - 1].h5path).toBe('/entry/data');
    expect(screen.getByText(/1.7 MB/)).toBeTruthy();
    expect(screen.getByText(/being written/)).toBeTruthy();
  });

  it('adopts a new state from outside without an echo', async () => {
    const client = new FakeClient();
    const { told, adopt } = show(client, { h5path: '/entry/data' });
    await screen.findByText('picture of /entry/data');
    told.length = 0;
    adopt({ h5path: '/entry/data', slice: '7, :, :', range: [0, 1] });
    await waitFor(() => expect(last().state.slice).toBe('7, :, :'));
    expect(told).toEqual([]);
  });

  it('changes view, slice and path by what the person does', async () => {
    const client = new FakeClient();
    const { told } = show(client, { h5path: '/entry/data' });
    await screen.findByText('picture of /entry/data');
    fireEvent.click(screen.getByRole('tab', { name: 'Line' }));
    expect(told[told.length - 1].vis).toBe('line');
    fireEvent.change(screen.getByLabelText('Index in D0'), { target: { value: '4' } });
    expect(told[told.length - 1].slice).toBe('4, 0, :');
    fireEvent.click(screen.getByRole('button', { name: 'entry' }));
    await screen.findByText('It has no attributes.');
    expect(told[told.length - 1].h5path).toBe('/entry');
  });

  it('says what is wrong with a slice, and keeps the one before', async () => {
    show(new FakeClient(), { h5path: '/entry/data' });
    const field = await screen.findByLabelText('Slice');
    fireEvent.change(field, { target: { value: '99, :, :' } });
    fireEvent.keyDown(field, { key: 'Enter' });
    expect(screen.getByText(/there is no 99/)).toBeTruthy();
    expect(field.getAttribute('aria-invalid')).toBe('true');
    fireEvent.keyDown(field, { key: 'Escape' });
    expect((field as HTMLInputElement).value).toBe('0, :, :');
  });

  it('shows a failure in words, and tries again', async () => {
    const client = new FakeClient();
    client.broken = '/entry/data';
    show(client, { h5path: '/entry/data' });
    await screen.findByText('The chunk is damaged.');
    screen.getByText('Copy the file again.');
    client.broken = null;
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await screen.findByText('picture of /entry/data');
    expect(client.forget).toHaveBeenCalled();
  });

  it('follows a stack that grows', async () => {
    const client = new FakeClient();
    show(client, { h5path: '/entry/data', follow: true });
    await waitFor(() => expect(last()?.state.slice).toBe('9, :, :'));
    await waitFor(() => expect(client.changed).not.toBeNull());
    const state = (frames: number, mtime_ns: number) => ({ shape: [frames, 40, 50], size: frames, mtime_ns });
    await act(async () => client.changed?.(state(10, 1)));
    await act(() => new Promise(resolve => setTimeout(resolve, 200)));
    client.shape = [12, 40, 50];
    await act(async () => client.changed?.(state(12, 2)));
    await waitFor(() => expect(last().state.slice).toBe('11, :, :'));
    await waitFor(() => expect(last().revision).toBe(1));
    expect(client.forget).toHaveBeenCalledTimes(1);
  });

  it('plays through a stack, and begins again after its end', async () => {
    const { told } = show(new FakeClient(), { h5path: '/entry/data', slice: '8, :, :' });
    await screen.findByText('picture of /entry/data');
    fireEvent.click(screen.getByRole('button', { name: 'Play through D0' }));
    fireEvent.change(screen.getByLabelText('Frames a second'), { target: { value: '25' } });
    await waitFor(() => expect(told.map(state => state.slice)).toEqual(expect.arrayContaining(['9, :, :', '0, :, :', '1, :, :'])));
    fireEvent.click(screen.getByRole('button', { name: 'Pause D0' }));
  });

  it('shows what else is on the plot, and takes it off', async () => {
    const curves = [{ h5path: '/entry/other' }, { path: 'y.h5', h5path: '/a' }];
    const { told } = show(new FakeClient(), { h5path: '/entry/data', curves });
    await screen.findByText('picture of /entry/data');
    fireEvent.click(screen.getByRole('button', { name: 'Remove /entry/other' }));
    expect(told[told.length - 1].curves).toEqual([curves[1]]);
    fireEvent.click(screen.getByRole('button', { name: 'Remove y.h5::/a' }));
    expect(told[told.length - 1].curves).toBeUndefined();
  });
});
