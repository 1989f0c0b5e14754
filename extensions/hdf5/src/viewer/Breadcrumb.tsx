import type { ReactElement } from 'react';
import { split } from '../browser/model';

interface IBreadcrumbProps {
  file: string;
  h5path: string;
  onSelect(h5path: string): void;
}

/** Where one is: each step leads back. */
export function Breadcrumb({ file, h5path, onSelect }: IBreadcrumbProps): ReactElement {
  const names = split(h5path);
  const steps = [{ name: file, path: '/' }, ...names.map((name, i) => ({ name, path: '/' + names.slice(0, i + 1).join('/') }))];
  return (
    <nav className="ph5-breadcrumb" aria-label="Path">
      <ol>
        {steps.map(({ name, path }, i) => (
          <li key={path}>
            {i === steps.length - 1 ? (
              <span aria-current="location">{name}</span>
            ) : (
              <button type="button" onClick={() => onSelect(path)}>
                {name}
              </button>
            )}
          </li>
        ))}
      </ol>
    </nav>
  );
}
