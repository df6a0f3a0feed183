import { TextInput, type TextInputProps } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useState } from 'react';

const TYPING_MS = 250;

interface Props extends Omit<TextInputProps, 'value' | 'onChange'> {
  value: string | undefined;
  /** Called after a pause in typing, without surrounding spaces; undefined when empty. */
  onValue: (value: string | undefined) => void;
}

/** A search field that reports after a pause in typing, and follows changes of `value` by other means: back, a link, a reset. */
export function DebouncedInput({ value = '', onValue, ...input }: Props) {
  const [typed, setTyped] = useState(value);
  const [known, setKnown] = useState(value);
  if (value !== known) {
    setKnown(value);
    if (value !== typed.trim()) setTyped(value);
  }
  const later = useDebouncedCallback((text: string) => onValue(text || undefined), TYPING_MS);
  return (
    <TextInput
      type="search"
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        later(event.currentTarget.value.trim());
      }}
      {...input}
    />
  );
}
