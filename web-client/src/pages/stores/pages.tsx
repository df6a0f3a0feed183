import { Button, Group, NativeSelect, Text } from '@mantine/core';
import { useState } from 'react';
import { PAGE_SIZES } from './search';

interface Props {
  token: string;
  next: string;
  size: number;
  total: number;
  onPage: (token: string) => void;
  onSize: (size: number) => void;
}

/** The server's pages: it knows the next one; the ones before are those that this table came along. */
export function Pages({ token, next, size, total, onPage, onSize }: Props) {
  const [trail, setTrail] = useState<string[]>([]);
  const at = token ? trail.indexOf(token) : -1;
  const before = at > 0 ? trail[at - 1] : '';
  const known = token === '' || at >= 0;
  const first = (at + 1) * size + 1;
  const forwards = () => {
    setTrail([...trail.slice(0, at + 1), next]);
    onPage(next);
  };
  if (total <= (PAGE_SIZES[0] as number)) return null;
  return (
    <Group justify="space-between" component="nav" aria-label="Pages">
      <Text size="sm" className="dimmed numbers">
        {known &&
          `${first.toLocaleString()} to ${Math.min(first + size - 1, total).toLocaleString()} of ${total.toLocaleString()}`}
      </Text>
      <Group gap="xs">
        <NativeSelect
          aria-label="Stores on a page"
          size="xs"
          value={String(size)}
          onChange={(event) => onSize(Number(event.currentTarget.value))}
          data={PAGE_SIZES.map((each) => ({ value: String(each), label: `${each} a page` }))}
        />
        <Button size="xs" variant="default" disabled={token === ''} onClick={() => onPage('')}>
          First
        </Button>
        <Button size="xs" variant="default" disabled={token === '' || !known} onClick={() => onPage(before ?? '')}>
          Previous
        </Button>
        <Button size="xs" variant="default" disabled={next === ''} onClick={forwards}>
          Next
        </Button>
      </Group>
    </Group>
  );
}
