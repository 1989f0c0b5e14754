import { getLinearGradient, INTERPOLATORS, type ColorMap } from '@h5web/lib';
import { useEffect, useRef, useState, type ReactElement } from 'react';
import type { ScaleName } from '../state/viewState';
import type { Domain } from './domain';
import { formatTick } from './format';
import { scaled, ticks } from './ticks';

interface IProps {
  domain: Domain;
  scale: ScaleName;
  colorMap: ColorMap;
  invert: boolean;
  label?: string;
}

const TICK_HEIGHT = 34;

/** Which colour is which value; both ends, and round values between. h5web's writes 1.5e+3. */
export function ColourBar({ domain, scale, colorMap, invert, label }: IProps): ReactElement {
  const bar = useRef<HTMLDivElement>(null);
  const [height, setHeight] = useState(0);
  useEffect(() => {
    const element = bar.current!;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const [low, high] = domain;
  const interpolator = INTERPOLATORS[colorMap];
  const share = (value: number) => (scaled(value, scale) - scaled(low, scale)) / (scaled(high, scale) - scaled(low, scale));
  const shown = ticks(domain, scale, Math.max(2, Math.floor(height / TICK_HEIGHT)));
  return (
    <div className="ph5-colourbar" role="img" aria-label={`Colours from ${formatTick(low)} to ${formatTick(high)}${label ? ` ${label}` : ''}`}>
      <p className="ph5-colourbar-end">{formatTick(high)}</p>
      <div
        ref={bar}
        className="ph5-colourbar-gradient"
        data-keep-colors
        style={{ backgroundImage: getLinearGradient(invert ? t => interpolator(1 - t) : interpolator, 'top') }}
      />
      <svg className="ph5-colourbar-ticks" height={height} width={56}>
        {shown.map(value => {
          const y = (1 - share(value)) * height;
          return (
            <g key={value}>
              <line x1={0} x2={4} y1={y} y2={y} stroke="currentColor" />
              <text x={7} y={y} dominantBaseline="central" fill="currentColor">
                {formatTick(value)}
              </text>
            </g>
          );
        })}
      </svg>
      <p className="ph5-colourbar-end">{formatTick(low)}</p>
    </div>
  );
}
