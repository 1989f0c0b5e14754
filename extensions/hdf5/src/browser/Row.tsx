import type { FocusEventHandler, MouseEventHandler, ReactElement } from 'react';
import type { IChild } from '../api/types';
import { describe, linkText, summary } from './format';
import { Icon, iconOf } from './icons';
import type { IRow } from './model';

const INDENT = 12;
/** Deeper levels are not indented further, so that names stay in sight. */
const DEEPEST_INDENT = 16;

interface IRowProps {
  row: IRow;
  path: string;
  top: number;
  focusable: boolean;
  selected: boolean;
  onClick: MouseEventHandler<HTMLElement>;
  onFocus: FocusEventHandler<HTMLElement>;
  onMouseDown: MouseEventHandler<HTMLElement>;
}

/** One line of the tree. */
export function Row(props: IRowProps): ReactElement {
  const { row, path, top, focusable, selected, onClick, onFocus, onMouseDown } = props;
  const { child } = row;
  const broken = row.kind === 'problem' || child?.kind === 'error';
  const classes = ['ph5-row', selected && 'ph5-mod-selected', broken && 'ph5-mod-problem', child?.on_default_path && 'ph5-mod-default'];
  return (
    <div
      role="treeitem"
      className={classes.filter(Boolean).join(' ')}
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.setsize}
      aria-expanded={row.expanded}
      aria-selected={selected}
      tabIndex={focusable ? 0 : -1}
      style={{ transform: `translateY(${top}px)`, paddingLeft: 4 + INDENT * (Math.min(row.level, DEEPEST_INDENT) - 1) }}
      title={child && describe(child)}
      data-path={path}
      data-h5path={child?.h5path}
      data-kind={child?.kind}
      data-link={child && child.link.type !== 'hard' ? child.link.type : undefined}
      data-link-path={child?.link.contents_path}
      data-link-target={child?.link.target}
      onClick={onClick}
      onFocus={onFocus}
      onMouseDown={onMouseDown}
    >
      <span className="ph5-twistie">{row.expanded !== undefined && <Icon name="chevron" />}</span>
      {child ? <Item child={child} /> : <Placeholder row={row} />}
    </div>
  );
}

function Item({ child }: { child: IChild }): ReactElement {
  const link = linkText(child.link);
  const line = summary(child);
  return (
    <>
      <Icon name={iconOf(child)} className="ph5-kind" />
      <span className="ph5-name">{child.name}</span>
      {child.nx_class && (
        <span className="ph5-badge" title={child.nx_class}>
          {child.nx_class}
        </span>
      )}
      {link && (
        <span className="ph5-linkmark" title={link}>
          <Icon name="link" />
          <span className="ph5-hidden">{link}</span>
        </span>
      )}
      {child.on_default_path && <span className="ph5-hidden">default plot</span>}
      {child.kind === 'group' && child.n_children !== undefined && <span className="ph5-count">{child.n_children.toLocaleString('en')}</span>}
      {line && <span className="ph5-summary">{line}</span>}
    </>
  );
}

function Placeholder({ row }: { row: IRow }): ReactElement {
  if (row.problem) {
    return (
      <>
        <Icon name="error" className="ph5-kind" />
        <span className="ph5-summary" title={row.problem.remedy}>
          {row.problem.message} Press Enter to try again.
        </span>
      </>
    );
  }
  return <span className="ph5-summary">Loading…</span>;
}
