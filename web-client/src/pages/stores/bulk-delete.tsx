import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { IconTrash } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useApi } from '@/api/api';
import { inParallel } from '@/api/parallel';
import { problem } from '@/api/problem';
import { uuid } from '@/api/uuid';
import { count } from '@/format/words';
import type { Store } from '@/gen/storeplane/v1/store_pb';

/** Requests that are under way at once. */
const AT_ONCE = 4;

/** Deletes the chosen stores, once the person has typed what will happen. */
export function BulkDelete({ stores, onDone }: { stores: Store[]; onDone: () => void }) {
  const { clients } = useApi();
  const [opened, setOpened] = useState(false);
  const [typed, setTyped] = useState('');
  const [refused, setRefused] = useState<string[]>([]);
  const phrase = `delete ${count(stores.length, 'store')}`;
  const deletion = useMutation({
    retry: false,
    mutationFn: async () => {
      const failures: string[] = [];
      await inParallel(stores, AT_ONCE, async ({ storeId, uid }) => {
        try {
          await clients.stores.deleteStore({ storeId, uid, requestId: uuid() });
        } catch (error) {
          failures.push(`${storeId}: ${problem(error).message}`);
        }
      });
      return failures;
    },
    onSuccess: (failures) => {
      setRefused(failures);
      if (failures.length === 0) close();
    },
  });
  const close = () => {
    setOpened(false);
    setTyped('');
    setRefused([]);
    onDone();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed.trim().toLowerCase() === phrase) deletion.mutate();
  };
  return (
    <>
      <Button
        color="red"
        variant="outline"
        leftSection={<IconTrash size={16} aria-hidden />}
        onClick={() => setOpened(true)}
      >
        Delete {stores.length}
      </Button>
      <Modal
        opened={opened}
        onClose={() => setOpened(false)}
        title={`Delete ${count(stores.length, 'store')}?`}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <form onSubmit={submit}>
          <Stack>
            <Text size="sm">
              Each shop is removed with all its data: orders, customers, products. Nothing of them can be brought back.
            </Text>
            <Text component="div" className="observed">
              {stores.map((store) => store.storeId).join('\n')}
            </Text>
            <TextInput
              label={`Type “${phrase}”`}
              autoComplete="off"
              data-autofocus
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
            />
            {refused.length > 0 && (
              <Text role="alert" size="sm" c="red">
                Not deleted: {refused.join(' ')}
              </Text>
            )}
            <Group justify="flex-end">
              <Button variant="default" onClick={() => setOpened(false)}>
                Keep them
              </Button>
              <Button
                type="submit"
                color="red"
                disabled={typed.trim().toLowerCase() !== phrase}
                loading={deletion.isPending}
              >
                Delete
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
