import { useState } from 'react';
import type { ReactElement } from 'react';
import type { IEntity } from '../api/types';
import type { IHost } from '../viewer/host';
import { Details } from './Details';
import { FileTree } from './FileTree';
import { Icon } from './icons';
import type { TreeModel } from './model';
import { Problem } from './Problem';
import { useAnswer } from './useAnswer';

interface IBrowserProps {
  model: TreeModel;
  selected: string;
  onSelect(h5path: string): void;
  onReload(): void;
  /** To the folder that the file is in. */
  onFolder(): void;
  host: IHost;
  colorMap: string;
  revision: number;
}

/** The sidebar's browser: the tree of one file, and what is selected in it. */
export function Browser(props: IBrowserProps): ReactElement {
  const { model, selected, onSelect, onReload, onFolder, host, colorMap, revision } = props;
  const [inspecting, setInspecting] = useState(true);
  return (
    <div className="ph5-browser">
      <div className="ph5-folder-bar">
        <h2 className="ph5-browser-title" title={model.client.path}>
          {model.name}
        </h2>
        <button type="button" className="ph5-iconbutton" title="Other files" aria-label="Other files" onClick={onFolder}>
          <Icon name="up" />
        </button>
      </div>
      <FileTree model={model} selected={selected} onSelect={onSelect} onReload={onReload} host={host} />
      {selected && (
        <section className="ph5-inspect" aria-label="Details" data-open={inspecting}>
          <button type="button" className="ph5-inspect-title" aria-expanded={inspecting} onClick={() => setInspecting(!inspecting)}>
            <Icon name="chevron" className={inspecting ? 'ph5-mod-open' : ''} />
            <span>{selected}</span>
          </button>
          {inspecting && (
            <Inspect model={model} h5path={selected} host={host} colorMap={colorMap} revision={revision} onSelect={onSelect} />
          )}
        </section>
      )}
    </div>
  );
}

interface IInspectProps {
  model: TreeModel;
  h5path: string;
  host: IHost;
  colorMap: string;
  revision: number;
  onSelect(h5path: string): void;
}

function Inspect({ model, h5path, host, colorMap, revision, onSelect }: IInspectProps): ReactElement {
  const { client } = model;
  const { answer, problem } = useAnswer<IEntity>(signal => client.json('entity', { h5path }, signal), `${client.path}\n${h5path}`, revision);
  if (problem) {
    return <Problem problem={problem} />;
  }
  if (!answer) {
    return <p className="ph5-note">Loading…</p>;
  }
  return (
    <Details client={client} entity={answer} host={host} colorMap={colorMap} revision={revision} thumbnail onSelect={onSelect} />
  );
}
