import { NativeSelect } from '@mantine/core';
import { words } from '@/format/words';

interface Props {
  label: string;
  value: string | undefined;
  /** Names of the API. */
  choices: readonly string[];
  /** Undefined for any. */
  onValue: (value: string | undefined) => void;
}

/** A filter by one of a few values. */
export function ChoiceFilter({ label, value = '', choices, onValue }: Props) {
  return (
    <NativeSelect
      label={label}
      value={value}
      data={[
        { value: '', label: 'Any' },
        ...choices.map((value) => ({ value, label: words(value.replaceAll('-', ' ')) })),
      ]}
      onChange={(event) => onValue(event.currentTarget.value || undefined)}
    />
  );
}
