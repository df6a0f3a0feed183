import { Button, Group } from '@mantine/core';
import { useState } from 'react';

/** The way through the pages of a list: the server returns only the next page's token. */
export interface PageTokens {
  /** The current page's token; empty for the first page. */
  token: string;
  previous: () => void;
  next: (token: string) => void;
}

/** Starts at the first page whenever the filter changes, because page tokens are valid for one filter only. */
export function usePageTokens(filter: string): PageTokens {
  const [trail, setTrail] = useState<{ filter: string; tokens: string[] }>({ filter, tokens: [] });
  const tokens = trail.filter === filter ? trail.tokens : [];
  return {
    token: tokens.at(-1) ?? '',
    previous: () => setTrail({ filter, tokens: tokens.slice(0, -1) }),
    next: (token) => setTrail({ filter, tokens: [...tokens, token] }),
  };
}

interface PageButtonsProps {
  pages: PageTokens;
  /** Token of the next page; empty or absent if there is none. */
  next: string | undefined;
  labels: { previous: string; next: string };
}

/** Buttons for the previous and the next page; nothing if there is only one page. */
export function PageButtons({ pages, next, labels }: PageButtonsProps) {
  if (pages.token === '' && !next) return null;
  return (
    <Group gap="xs" ml="auto">
      <Button size="xs" variant="default" disabled={pages.token === ''} onClick={pages.previous}>
        {labels.previous}
      </Button>
      <Button size="xs" variant="default" disabled={!next} onClick={() => pages.next(next ?? '')}>
        {labels.next}
      </Button>
    </Group>
  );
}
