import { Button, Group, NativeSelect } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { SEARCH_FIELD } from '@/layout/shortcuts';
import { DebouncedInput } from '@/ui/debounced-input';
import { SHOW_NAMES, type Show, type StoresSearch } from './search';

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
      <DebouncedInput
        aria-label="Search stores"
        placeholder="Name, ID, email, host"
        leftSection={<IconSearch size={16} aria-hidden />}
        rightSection={<kbd className="key">/</kbd>}
        w={{ base: '100%', xs: 260 }}
        value={search.q}
        onValue={(q) => change({ q }, true)}
        {...{ [SEARCH_FIELD]: true }}
      />
      <Group gap={4} role="group" aria-label="Show">
        {Object.entries(SHOW_NAMES).map(([show, name]) => (
          <Button
            key={show}
            size="sm"
            px="sm"
            variant={shown === show ? 'filled' : 'default'}
            aria-pressed={shown === show}
            className="toggle"
            onClick={() => change({ show: show === 'all' ? undefined : (show as Show) })}
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
