import { Button, Group, Paper, Text } from '@mantine/core';
import { IconRefresh, IconTrash } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { focusTitle } from '@/ui/page-title';
import { type BulkAction, BulkDialog } from './bulk-dialog';
import { isRetryable, isSelectable, type Select } from './selection';

/** The server's largest page, and the most that one bulk action is for. */
const MAX_SELECTED = 1000;

interface Props {
  selected: Store[];
  /** How many of them the page does not show. */
  hidden: number;
  shown: Store[];
  filter: string;
  orderBy: string;
  total: number;
  onSelect: Select;
  onClear: () => void;
}

/** What is selected, and what can be done with all of it. */
export function SelectionBar({ selected, hidden, shown, filter, orderBy, total, onSelect, onClear }: Props) {
  const { clients } = useApi();
  const [action, setAction] = useState<BulkAction>();
  const all = useMutation({
    mutationFn: async () => {
      const stores: Store[] = [];
      let pageToken = '';
      do {
        const page = await clients.stores.listStores({ filter, orderBy, pageSize: MAX_SELECTED, pageToken });
        stores.push(...page.stores);
        pageToken = page.nextPageToken;
      } while (pageToken && stores.length < MAX_SELECTED);
      return stores.filter(isSelectable).slice(0, MAX_SELECTED);
    },
    onSuccess: (stores) => onSelect(stores, true),
  });
  const retryable = selected.filter(isRetryable);
  const visible = selected.length - hidden;
  const isPageSelected = visible > 0 && visible === shown.filter(isSelectable).length;
  const clear = () => {
    onClear();
    focusTitle();
  };
  return (
    <>
      {selected.length > 0 && (
        <Paper component="section" withBorder px="md" py="xs" aria-label="Selection" className="selection">
          <Group gap="sm">
            <Text size="sm" fw={600} role="status" className="numbers">
              {selected.length.toLocaleString()} selected
              {hidden > 0 && `, ${hidden.toLocaleString()} not in this view`}
            </Text>
            {isPageSelected && total > visible && hidden < total - visible && (
              <Button size="xs" variant="subtle" loading={all.isPending} onClick={() => all.mutate()}>
                Select {total > MAX_SELECTED ? `the first ${MAX_SELECTED.toLocaleString()}` : `all ${total}`} matching
              </Button>
            )}
            <Button size="xs" variant="subtle" color="gray" onClick={clear}>
              Clear
            </Button>
            <Group gap="xs" ml="auto">
              <Button
                size="xs"
                variant="default"
                leftSection={<IconRefresh size={14} aria-hidden />}
                disabled={retryable.length === 0}
                onClick={() => setAction('retry')}
              >
                Retry {retryable.length.toLocaleString()}
              </Button>
              <Button
                size="xs"
                color="red"
                variant="outline"
                leftSection={<IconTrash size={14} aria-hidden />}
                onClick={() => setAction('delete')}
              >
                Delete {selected.length.toLocaleString()}
              </Button>
            </Group>
          </Group>
          {all.error && (
            <Text size="sm" c="red" role="alert">
              {problem(all.error).message}
            </Text>
          )}
        </Paper>
      )}
      {action && (
        <BulkDialog
          action={action}
          stores={action === 'retry' ? retryable : selected}
          onDone={(stores) => onSelect(stores, false)}
          onClose={() => setAction(undefined)}
        />
      )}
    </>
  );
}
