import type { ReactElement, ReactNode } from 'react';
import type { IClient } from '../api/client';
import type { IAttribute, IEntity, ILink, IStorage } from '../api/types';
import type { IHost } from '../viewer/host';
import { bytes, shapeText, timeText, typeText, valueText } from './format';
import { Thumbnail } from './Thumbnail';

interface IDetailsProps {
  client: IClient;
  entity: IEntity;
  host: IHost;
  colorMap: string;
  revision: number;
  thumbnail?: boolean;
  onSelect(h5path: string): void;
}

/** Everything that is known about an object. */
export function Details(props: IDetailsProps): ReactElement {
  const { client, entity, host, colorMap, revision, thumbnail, onSelect } = props;
  const openHere = (link: Pick<ILink, 'target' | 'contents_path'>): (() => void) | null => {
    if (link.contents_path !== undefined && link.contents_path !== client.path && host.open) {
      return () => host.open?.(link.contents_path as string, { h5path: link.target ?? '/' }, false);
    }
    return link.target?.startsWith('/') ? () => onSelect(link.target as string) : null;
  };
  return (
    <div className="ph5-details">
      {thumbnail && <Thumbnail client={client} child={entity} colorMap={colorMap} revision={revision} />}
      <dl className="ph5-facts">
        <Fact name="Path">{entity.h5path}</Fact>
        <Fact name="NeXus class">{entity.nx_class}</Fact>
        <Fact name="Title">{entity.title}</Fact>
        <Fact name="Start">{entity.start_time && <time dateTime={entity.start_time}>{timeText(entity.start_time)}</time>}</Fact>
        <Fact name="Children">{entity.n_children?.toLocaleString('en')}</Fact>
        <Fact name="Type">{entity.kind === 'dataset' && typeText(entity.type, entity.dtype)}</Fact>
        <Fact name="Shape">{entity.kind === 'dataset' && shapeText(entity.shape) + growth(entity)}</Fact>
        {entity.storage && <StorageFacts storage={entity.storage} />}
        <LinkFacts link={entity.link} open={openHere(entity.link)} />
        {entity.storage?.sources?.map((source, i) => (
          <Fact key={i} name={i === 0 ? 'Sources' : ''}>
            {source.file} :: {source.path} {source.missing && <em>missing</em>}
            <OpenButton
              label={`Open source ${source.file}`}
              open={source.missing ? null : openHere({ target: source.path, contents_path: source.contents_path })}
            />
          </Fact>
        ))}
      </dl>
      <Attributes attributes={entity.attributes} />
    </div>
  );
}

function growth({ maxshape, shape }: IEntity): string {
  const grows = maxshape?.some((length, d) => length === null || length !== shape?.[d]);
  return grows ? ` (may grow to ${maxshape?.map(length => length ?? 'any length').join(' × ')})` : '';
}

function Fact({ name, children }: { name: string; children: ReactNode }): ReactElement | null {
  if (children === undefined || children === null || children === false || children === '') {
    return null;
  }
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function StorageFacts({ storage }: { storage: IStorage }): ReactElement {
  const { layout, chunks, filters, stored, nbytes, ratio } = storage;
  return (
    <>
      <Fact name="Layout">{layout}</Fact>
      <Fact name="Chunks">{chunks?.join(' × ')}</Fact>
      <Fact name="Filters">
        {filters.length > 0 &&
          filters.map((filter, i) => (
            <span key={i} className="ph5-filter" title={`filter ${filter.id}, options ${filter.options.join(', ') || 'none'}`}>
              {filter.name}
              {!filter.available && <em> missing on this server</em>}
            </span>
          ))}
      </Fact>
      <Fact name="Size">
        {bytes(nbytes)}
        {stored !== nbytes && `, ${bytes(stored)} in the file`}
        {ratio !== undefined && filters.length > 0 && ` (${ratio.toPrecision(3)}×)`}
      </Fact>
    </>
  );
}

function LinkFacts({ link, open }: { link: ILink; open: (() => void) | null }): ReactElement | null {
  if (link.type === 'hard') {
    return null;
  }
  return (
    <Fact name={link.type === 'soft' ? 'Soft link' : 'External link'}>
      {link.file && `${link.file} :: `}
      {link.target}
      <OpenButton label="Open target" open={open} />
    </Fact>
  );
}

function OpenButton({ label, open }: { label: string; open: (() => void) | null }): ReactElement | null {
  return open && (
    <button type="button" className="ph5-button" onClick={open} aria-label={label}>
      Open
    </button>
  );
}

/** The attributes as a table. */
export function Attributes({ attributes }: { attributes: IAttribute[] }): ReactElement {
  if (!attributes.length) {
    return <p className="ph5-note">It has no attributes.</p>;
  }
  return (
    <table className="ph5-attributes">
      <caption className="ph5-caption">Attributes</caption>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Value</th>
          <th scope="col">Type</th>
        </tr>
      </thead>
      <tbody>
        {attributes.map(attribute => (
          <tr key={attribute.name} className={attribute.error && 'ph5-mod-problem'}>
            <th scope="row" title={attribute.name}>
              {attribute.name}
            </th>
            <td className="ph5-value">{valueText(attribute)}</td>
            <td>
              {typeText(attribute.type, attribute.dtype)}
              {attribute.shape?.length ? ` [${shapeText(attribute.shape)}]` : ''}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
