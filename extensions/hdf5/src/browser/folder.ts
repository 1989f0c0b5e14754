/** What a folder has for the sidebar. */
export interface IFolderItem {
  name: string;
  /** Contents path. */
  path: string;
  kind: 'folder' | 'file';
  /** ISO time of the last change. */
  modified: string;
  size?: number;
}

/** Reads a folder; one level. */
export type ListFolder = (path: string) => Promise<IFolderItem[]>;

const natural = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** Folders first, each in natural order: scan 2 before scan 10. */
export function inOrder(items: readonly IFolderItem[]): IFolderItem[] {
  return [...items].sort((a, b) => (a.kind === b.kind ? natural.compare(a.name, b.name) : a.kind === 'folder' ? -1 : 1));
}

/** The file that changed last, where there is a choice. */
export function newestOf(items: readonly IFolderItem[]): IFolderItem | undefined {
  const files = items.filter(item => item.kind === 'file');
  return files.length < 2 ? undefined : files.reduce((one, other) => (Date.parse(other.modified) > Date.parse(one.modified) ? other : one));
}

/** The folder that holds a folder; undefined at the top. `Drive:a/b` stays in its drive. */
export function parentOf(path: string): string | undefined {
  const [, drive, inside] = /^([^/:]+:)?(.*)$/.exec(path) as unknown as [string, string | undefined, string];
  const names = inside.split('/').filter(Boolean);
  return names.length ? (drive ?? '') + names.slice(0, -1).join('/') : undefined;
}

/** `5 min ago`, in the language's own short words. */
export function ago(modified: string, now = Date.now()): string {
  const seconds = (Date.parse(modified) - now) / 1000;
  if (!Number.isFinite(seconds)) {
    return '';
  }
  const words = new Intl.RelativeTimeFormat('en', { style: 'narrow', numeric: 'auto' });
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [['day', 86400], ['hour', 3600], ['minute', 60]];
  const [unit, length] = steps.find(([, one]) => Math.abs(seconds) >= one) ?? ['second', 1];
  return words.format(Math.trunc(seconds / length), unit);
}
