import { useEffect, useRef, useState } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import type { IArray } from '../api/client';
import type { IEntity } from '../api/types';
import { Icon } from '../browser/icons';
import { asState, formatSlice, mappingOf, moveTo, parseSlice, putOnAxis } from '../state/slicing';
import type { IMapping } from '../state/slicing';
import type { ChangeState, IViewState } from '../state/viewState';
import { axisValue, dimensionName, shapeOf } from './dimensions';

const SPEEDS = [1, 2, 5, 10, 25];

interface IDimensionBarProps {
  entity: IEntity;
  arrays: Record<string, IArray>;
  /** What the view calls its axes: ["Y", "X"]. */
  names: string[];
  state: IViewState;
  change: ChangeState;
}

/** Which dimensions are shown, and where the others stand. */
export function DimensionBar({ entity, arrays, names, state, change }: IDimensionBarProps): ReactElement {
  const shape = shapeOf(entity);
  const mapping = mappingOf(shape, names.length, state.slice, state.axes);
  const set = (next: IMapping): void => change({ ...asState(next), zoom: next.axes.join() === mapping.axes.join() ? state.zoom : undefined });
  const rest = shape.map((_, d) => d).filter(d => !mapping.axes.includes(d));
  const move = (dimension: number, index: number, byHand: boolean): void => {
    change({ ...asState(moveTo(mapping, dimension, index, shape)), ...(byHand ? { follow: undefined } : {}) });
  };
  return (
    <div className="ph5-dimensions" role="group" aria-label="Dimensions">
      {shape.length > names.length || shape.length > 1 ? (
        <div className="ph5-axes">
          {names.slice(0, mapping.axes.length).map((name, axis) => (
            <label key={name}>
              {name}
              <select
                className="ph5-select"
                value={mapping.axes[axis]}
                onChange={event => set(putOnAxis(mapping, axis, Number(event.target.value), shape))}
              >
                {shape.map((length, dimension) => (
                  <option key={dimension} value={dimension}>
                    {dimensionName(entity, dimension)} ({length})
                  </option>
                ))}
              </select>
            </label>
          ))}
        </div>
      ) : null}
      {rest.map(dimension => (
        <Slider
          key={dimension}
          name={dimensionName(entity, dimension)}
          length={shape[dimension]}
          index={mapping.entries[dimension] as number}
          value={axisValue(entity, arrays, dimension, mapping.entries[dimension] as number)}
          onChange={(index, byHand) => move(dimension, index, byHand)}
        />
      ))}
      <SliceField mapping={mapping} shape={shape} onChange={slice => change({ slice, axes: undefined, follow: undefined, zoom: undefined })} />
    </div>
  );
}

interface ISliderProps {
  name: string;
  length: number;
  index: number;
  value: string;
  onChange(index: number, byHand: boolean): void;
}

function Slider({ name, length, index, value, onChange }: ISliderProps): ReactElement {
  const [speed, setSpeed] = useState(5);
  const [playing, setPlaying] = usePlayback(length, index, speed, next => onChange(next, false));
  const jump = (event: KeyboardEvent): void => {
    const by = { PageUp: 10, PageDown: -10 }[event.key];
    if (by) {
      event.preventDefault();
      onChange(Math.max(0, Math.min(length - 1, index + by)), true);
    }
  };
  return (
    <div className="ph5-slider" role="group" aria-label={name}>
      <span className="ph5-slider-name" title={name}>
        {name}
      </span>
      <button
        type="button"
        className="ph5-iconbutton"
        aria-label={playing ? `Pause ${name}` : `Play through ${name}`}
        title={playing ? 'Pause' : 'Play'}
        disabled={length < 2}
        onClick={() => setPlaying(!playing)}
      >
        <Icon name={playing ? 'pause' : 'play'} />
      </button>
      <input
        type="range"
        min={0}
        max={Math.max(0, length - 1)}
        value={index}
        aria-label={`Position in ${name}`}
        aria-valuetext={value ? `${index}, ${value}` : String(index)}
        onChange={event => onChange(Number(event.target.value), true)}
        onKeyDown={jump}
      />
      <input
        type="number"
        className="ph5-input ph5-index"
        min={0}
        max={Math.max(0, length - 1)}
        value={index}
        aria-label={`Index in ${name}`}
        onChange={event => event.target.value !== '' && onChange(Number(event.target.value), true)}
      />
      <span className="ph5-of">/ {length - 1}</span>
      {value && <output className="ph5-axisvalue">= {value}</output>}
      {playing && (
        <select className="ph5-select" aria-label="Frames a second" value={speed} onChange={event => setSpeed(Number(event.target.value))}>
          {SPEEDS.map(one => (
            <option key={one} value={one}>
              {one}/s
            </option>
          ))}
        </select>
      )}
    </div>
  );
}

/** Steps on by itself, and starts again after the last. */
function usePlayback(length: number, index: number, speed: number, step: (index: number) => void): [boolean, (playing: boolean) => void] {
  const [playing, setPlaying] = useState(false);
  const latest = useRef({ index, length, step });
  latest.current = { index, length, step };
  useEffect(() => {
    if (!playing) {
      return;
    }
    const timer = setInterval(() => {
      const { index, length, step } = latest.current;
      step((index + 1) % length);
    }, 1000 / speed);
    return () => clearInterval(timer);
  }, [playing, speed]);
  return [playing, setPlaying];
}

interface ISliceFieldProps {
  mapping: IMapping;
  shape: number[];
  onChange(slice: string): void;
}

/** The slice in numpy's words. */
function SliceField({ mapping, shape, onChange }: ISliceFieldProps): ReactElement {
  const text = formatSlice(mapping.entries);
  const [typed, setTyped] = useState<string | null>(null);
  const [problem, setProblem] = useState('');
  const apply = (): void => {
    if (typed === null) {
      return;
    }
    try {
      onChange(formatSlice(parseSlice(typed, shape)));
      setTyped(null);
      setProblem('');
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <div className="ph5-slicefield">
      <label>
        Slice
        <input
          className="ph5-input"
          value={typed ?? text}
          spellCheck={false}
          autoComplete="off"
          aria-invalid={problem !== ''}
          aria-describedby={problem ? 'ph5-slice-problem' : undefined}
          title="As in numpy: 3, :, 10:20:2"
          onChange={event => setTyped(event.target.value)}
          onBlur={apply}
          onKeyDown={event => {
            if (event.key === 'Enter') {
              apply();
            } else if (event.key === 'Escape') {
              setTyped(null);
              setProblem('');
            }
          }}
        />
      </label>
      {problem && (
        <span id="ph5-slice-problem" className="ph5-fieldproblem" role="alert">
          {problem}
        </span>
      )}
    </div>
  );
}
