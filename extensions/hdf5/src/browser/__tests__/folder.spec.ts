import { describe, expect, it } from 'vitest';
import { ago, inOrder, newestOf, parentOf } from '../folder';
import type { IFolderItem } from '../folder';

const item = (name: string, kind: IFolderItem['kind'], modified = '2026-01-01T00:00:00Z'): IFolderItem => ({ name, path: name, kind, modified });

describe('a folder', () => {
  it('has folders first, and scan 2 before scan 10', () => {
    const items = [item('scan10.h5', 'file'), item('z', 'folder'), item('scan2.h5', 'file'), item('a', 'folder')];
    expect(inOrder(items).map(({ name }) => name)).toEqual(['a', 'z', 'scan2.h5', 'scan10.h5']);
  });

  it('marks the newest file where there is a choice', () => {
    const [one, two] = [item('1', 'file'), item('2', 'file', '2026-01-02T00:00:00Z')];
    expect(newestOf([one, two, item('f', 'folder', '2027-01-01T00:00:00Z')])).toBe(two);
    expect(newestOf([one])).toBeUndefined();
  });

  it('lies in another one, up to the top of its drive', () => {
    expect(parentOf('a/b')).toBe('a');
    expect(parentOf('a')).toBe('');
    expect(parentOf('')).toBeUndefined();
    expect(parentOf('RTC:a/b')).toBe('RTC:a');
    expect(parentOf('RTC:')).toBeUndefined();
    expect(parentOf('a/b:c/d')).toBe('a/b:c');
  });

  it('says in short words how old something is', () => {
    const now = Date.parse('2026-01-01T12:00:00Z');
    expect(ago('2026-01-01T11:55:00Z', now)).toMatch(/^5\s?m/);
    expect(ago('2025-12-29T12:00:00Z', now)).toMatch(/^3\s?d/);
    expect(ago('', now)).toBe('');
  });
});
