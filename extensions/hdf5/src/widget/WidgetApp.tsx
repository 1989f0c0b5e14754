import { Suspense, lazy, useEffect, useState } from 'react';
import { asProblem } from '../api/problems';
import type { IViewState } from '../state/viewState';
import type { IClients } from './clients';

const EmbeddedViewer = lazy(async () => ({ default: (await import('../viewer/EmbeddedViewer')).EmbeddedViewer }));

export interface IWidgetAppProps {
  clients: Promise<IClients>;
  /** A new object is adopted. */
  initial: IViewState;
  onState: (state: IViewState) => void;
}

/** The viewer in a cell, once it is known who answers. */
export function WidgetApp({ clients, initial, onState }: IWidgetAppProps): JSX.Element {
  const [found, setFound] = useState<IClients | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const theme = useTheme();

  useEffect(() => {
    let here = true;
    clients.then(
      value => here && setFound(value),
      (error: unknown) => here && setProblem(asProblem(error).message)
    );
    return () => {
      here = false;
    };
  }, [clients]);

  if (problem !== null) {
    return <p role="alert">{problem}</p>;
  }
  if (!found) {
    return <p role="status">Opening…</p>;
  }
  return (
    <Suspense fallback={<p role="status">Opening…</p>}>
      <EmbeddedViewer
        client={found.client}
        clientFor={found.clientFor}
        initial={initial}
        onState={onState}
        theme={theme}
      />
    </Suspense>
  );
}

/** Lab's theme, as the page says it: a widget does not get Lab's theme manager. */
function useTheme(): 'light' | 'dark' {
  const [theme, setTheme] = useState(themeOfPage);
  useEffect(() => {
    const observer = new MutationObserver(() => setTheme(themeOfPage()));
    observer.observe(document.body, { attributes: true, attributeFilter: ['data-jp-theme-light'] });
    return () => observer.disconnect();
  }, []);
  return theme;
}

function themeOfPage(): 'light' | 'dark' {
  return document.body.dataset.jpThemeLight === 'false' ? 'dark' : 'light';
}
