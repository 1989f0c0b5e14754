import { useSyncExternalStore } from 'react';
import type { ReactElement } from 'react';
import type { IFileInfo } from '../api/types';
import { bytes } from '../browser/format';
import { Icon } from '../browser/icons';
import type { ViewMemory } from '../state/memory';

export type Panel = 'details' | 'check' | null;

interface IToolbarProps {
  file: IFileInfo | null;
  memory: ViewMemory;
  tree: boolean;
  onTree(): void;
  panel: Panel;
  onPanel(panel: Panel): void;
  /** Whether there is a last frame to follow; undefined hides the button. */
  follow?: boolean;
  onFollow(follow: boolean): void;
  onReload(): void;
  onCopyLink?(): void;
  onInsertCode?(): void;
}

/** The file, and what can be done with it. */
export function Toolbar(props: IToolbarProps): ReactElement {
  const { file, memory, tree, onTree, panel, onPanel, follow, onFollow, onReload, onCopyLink, onInsertCode } = props;
  const keep = useSyncExternalStore(memory.subscribe, memory.keep);
  return (
    <div className="ph5-toolbar" role="toolbar" aria-label="File">
      <Toggle icon="tree" label="Tree" on={tree} onClick={onTree} />
      {file && <FileLine file={file} />}
      <span className="ph5-gap" />
      {follow !== undefined && (
        <button type="button" className="ph5-button" aria-pressed={follow} title="Show the last frame as the file grows" onClick={() => onFollow(!follow)}>
          Follow last
        </button>
      )}
      <button
        type="button"
        className="ph5-button"
        aria-pressed={keep}
        title="Keep range, scale, slice and zoom for the next data set, in this file or another"
        onClick={() => memory.setKeep(!keep)}
      >
        Keep view
      </button>
      {onCopyLink && <Action icon="link" label="Copy link to this view" onClick={onCopyLink} />}
      {onInsertCode && <Action icon="code" label="Insert code into the notebook" onClick={onInsertCode} />}
      <Action icon="reload" label="Read the file again" onClick={onReload} />
      <Toggle icon="check" label="Check against NeXus" on={panel === 'check'} onClick={() => onPanel(panel === 'check' ? null : 'check')} />
      <Toggle icon="info" label="Details" on={panel === 'details'} onClick={() => onPanel(panel === 'details' ? null : 'details')} />
    </div>
  );
}

function FileLine({ file }: { file: IFileInfo }): ReactElement {
  const changed = new Date(1000 * file.mtime);
  return (
    <span className="ph5-fileline" title={file.mtime ? `changed ${changed.toLocaleString()}` : undefined}>
      {bytes(file.size)}
      {file.remote && ' · remote'}
      {file.being_written && <span className="ph5-writing"> · being written</span>}
    </span>
  );
}

function Toggle({ icon, label, on, onClick }: { icon: string; label: string; on: boolean; onClick(): void }): ReactElement {
  return (
    <button type="button" className="ph5-iconbutton" aria-pressed={on} aria-label={label} title={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

function Action({ icon, label, onClick }: { icon: string; label: string; onClick(): void }): ReactElement {
  return (
    <button type="button" className="ph5-iconbutton" aria-label={label} title={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}
