import { Button, Group, NativeSelect, Text } from '@mantine/core';
import { PageTrail } from './page-trail';
import { PAGE_SIZES } from './search';

interface Props {
  /** Filter and order of the list. */
  list: string;
  token: string;
  next: string;
  size: number;
  total: number;
  onPage: (token: string) => void;
  onSize: (size: number) => void;
}

/** Moves between the pages of the list. */
export function Pages({ list, token, next, size, total, onPage, onSize }: Props) {
  const trail = new PageTrail(window.sessionStorage, `${size} ${list}`);
  const index = trail.index(token);
  const forwards = () => {
    trail.advance(token, next);
    onPage(next);
  };
  if (total <= (PAGE_SIZES[0] as number)) return null;
  return (
    <Group justify="space-between" component="nav" aria-label="Pages">
      <Text size="sm" className="dimmed numbers">
        {range(index, size, total)}
      </Text>
      <Group gap="xs">
        <NativeSelect
          aria-label="Stores per page"
          size="xs"
          value={String(size)}
          onChange={(event) => onSize(Number(event.currentTarget.value))}
          data={PAGE_SIZES.map((each) => ({ value: String(each), label: `${each} per page` }))}
        />
        <Button size="xs" variant="default" disabled={token === ''} onClick={() => onPage('')}>
          First
        </Button>
        <Button
          size="xs"
          variant="default"
          disabled={index === undefined || index === 0}
          onClick={() => onPage(trail.previous(token))}
        >
          Previous
        </Button>
        <Button size="xs" variant="default" disabled={next === ''} onClick={forwards}>
          Next
        </Button>
      </Group>
    </Group>
  );
}

/** A page that was opened by a link has no known position. */
function range(index: number | undefined, size: number, total: number): string {
  if (index === undefined) return `Of ${total.toLocaleString()}`;
  const first = index * size + 1;
  const last = Math.min(first + size - 1, total);
  return `${first.toLocaleString()} to ${last.toLocaleString()} of ${total.toLocaleString()}`;
}
