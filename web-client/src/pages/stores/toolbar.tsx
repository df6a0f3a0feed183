import { Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { SEARCH_FIELD } from '@/layout/shortcuts';
import { GROUP_NAMES, type Group as StateGroup, type StoresSearch } from './search';

const TYPING_MS = 200;

interface Props {
  search: StoresSearch;
  change: (part: Partial<StoresSearch>, replace?: boolean) => void;
}

/** Search and filters of the table. */
export function Toolbar({ search, change }: Props) {
  const { queries } = useApi();
  const engines = useQuery(queries.engines()).data?.engines ?? [];
  const shown = search.show ?? 'all';
  return (
    <Group gap="sm">
      <Search q={search.q ?? ''} onSearch={(q) => change({ q: q || undefined }, true)} />
      <Group gap={4} role="group" aria-label="State">
        {Object.entries(GROUP_NAMES).map(([group, name]) => (
          <Button
            key={group}
            size="sm"
            px="sm"
            variant={shown === group ? 'filled' : 'default'}
            aria-pressed={shown === group}
            onClick={() => change({ show: group === 'all' ? undefined : (group as StateGroup) })}
          >
            {name}
          </Button>
        ))}
      </Group>
      {engines.length > 1 && (
        <NativeSelect
          aria-label="Engine"
          value={search.engine ?? ''}
          onChange={(event) => change({ engine: event.currentTarget.value || undefined })}
          data={[{ value: '', label: 'All engines' }, ...engines.map(({ name }) => ({ value: name, label: name }))]}
        />
      )}
    </Group>
  );
}

function Search({ q, onSearch }: { q: string; onSearch: (q: string) => void }) {
  const [typed, setTyped] = useState(q);
  const [known, setKnown] = useState(q);
  // The address changed by other means than typing: back, a link, a cleared filter.
  if (q !== known) {
    setKnown(q);
    if (q !== typed.trim()) setTyped(q);
  }
  const later = useDebouncedCallback(onSearch, TYPING_MS);
  return (
    <TextInput
      type="search"
      aria-label="Search stores"
      placeholder="Search name or id"
      leftSection={<IconSearch size={16} aria-hidden />}
      rightSection={<kbd className="key">/</kbd>}
      w={{ base: '100%', xs: 260 }}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        later(event.currentTarget.value.trim());
      }}
      {...{ [SEARCH_FIELD]: true }}
    />
  );
}
