import type { ReactElement } from 'react';

interface IChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly T[];
  names?: Partial<Record<T, string>>;
  onChange: (value: T) => void;
}

/** A list to choose from; the browser's own, so that keyboard and screen reader work as everywhere. */
export function Choice<T extends string>({ label, value, options, names, onChange }: IChoiceProps<T>): ReactElement {
  return (
    <label className="ph5-choice">
      <span>{label}</span>
      <select value={value} onChange={event => onChange(event.target.value as T)}>
        {options.map(option => (
          <option key={option} value={option}>
            {names?.[option] ?? option}
          </option>
        ))}
      </select>
    </label>
  );
}

interface INumberProps {
  label: string;
  value: number;
  min?: number;
  max?: number;
  step?: number | 'any';
  onChange: (value: number) => void;
}

/** A number that the keyboard edits; what is no number in bounds changes nothing. */
export function NumberField({ label, value, min, max, step = 1, onChange }: INumberProps): ReactElement {
  return (
    <label className="ph5-number">
      <span>{label}</span>
      <input
        type="number"
        value={Number.isFinite(value) ? value : ''}
        min={min}
        max={max}
        step={step}
        onChange={event => {
          const number = event.target.valueAsNumber;
          if (Number.isFinite(number) && number >= (min ?? -Infinity) && number <= (max ?? Infinity)) {
            onChange(number);
          }
        }}
      />
    </label>
  );
}
