import { Modal, NativeSelect, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useEffect, useState } from 'react';
import type { StoreRevision } from '@/gen/storeplane/v1/store_pb';
import { rescueFocus } from '@/ui/page-title';
import { type Change, ChangeList } from './change-list';
import { differencesOf } from './differences';

interface Props {
  revisions: StoreRevision[];
  /** The revision to compare with the current one, until another is chosen. */
  initial: number;
  current: number;
}

/** What differs between two revisions, in a dialog that opens at once. */
export function CompareDialog({ revisions, initial, current }: Props) {
  const [opened, { open, close }] = useDisclosure();
  const [before, setBefore] = useState(initial);
  const [after, setAfter] = useState(current);
  // After the first render: the dialog returns the focus to what has it now.
  useEffect(open, [open]);
  const of = (number: number) => revisions.find(({ revision }) => revision === number);
  const choice = (label: string, value: number, onChange: (number: number) => void) => (
    <NativeSelect
      label={label}
      value={String(value)}
      data={revisions.map(({ revision }) => ({
        value: String(revision),
        label: `Revision ${revision}${revision === current ? ' (current)' : ''}`,
      }))}
      onChange={(event) => onChange(Number(event.currentTarget.value))}
    />
  );
  return (
    <Modal
      opened={opened}
      onClose={close}
      title="Compare revisions"
      size="lg"
      closeButtonProps={{ 'aria-label': 'Close' }}
      onExitTransitionEnd={rescueFocus}
    >
      <Stack>
        <SimpleGrid cols={2}>
          {choice('From', before, setBefore)}
          {choice('To', after, setAfter)}
        </SimpleGrid>
        <Comparison before={of(before)} after={of(after)} />
      </Stack>
    </Modal>
  );
}

function Comparison({ before, after }: { before: StoreRevision | undefined; after: StoreRevision | undefined }) {
  if (!before || !after) return <Text size="sm">This revision is not kept any more.</Text>;
  const { settings, values, images, digests } = differencesOf(before, after);
  if (settings.length + values.length + images.length + digests.length === 0)
    return <Text size="sm">Nothing differs.</Text>;
  return (
    <>
      <Section title="Settings" changes={settings} />
      <Section title="Values" changes={values} />
      <Section title="Images" changes={images} />
      <Section title="Image digests" changes={digests} />
    </>
  );
}

function Section({ title, changes }: { title: string; changes: Change[] }) {
  if (changes.length === 0) return null;
  return (
    <section>
      <Title order={3} size="h6" mb={6}>
        {title}
      </Title>
      <ChangeList label={title} changes={changes} />
    </section>
  );
}
