import { Button, Text, TextInput } from '@mantine/core';
import { IconWorldPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { violationOf, violationsOf } from '@/api/problem';
import { DOMAINS, storeKeys } from '@/api/queries';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** Adds a domain to a store. The panel then shows the records to create. */
export function AddDomain({ store: { storeId, uid, displayName } }: { store: Store }) {
  const { clients } = useApi();
  const [domain, setDomain] = useState('');
  const name = domain.trim().toLowerCase();
  const addition = useDialogRequest([DOMAINS, ...storeKeys(storeId)], (requestId, signal) =>
    clients.domains.createDomain({ storeId, storeUid: uid, domain: name, requestId }, { signal }),
  );
  const open = () => {
    setDomain('');
    addition.open();
  };
  return (
    <>
      <Button size="xs" variant="default" leftSection={<IconWorldPlus size={16} aria-hidden />} onClick={open}>
        Add domain
      </Button>
      <ConfirmDialog
        {...addition.dialog}
        title={`Add a domain to ${displayName}`}
        action="Add domain"
        disabled={name === ''}
      >
        <Text size="sm">
          The shop answers to it once a DNS record or a file proves that it is yours. What to create is shown next.
        </Text>
        <TextInput
          label="Domain"
          description="For example shop.example.com"
          autoComplete="off"
          spellCheck={false}
          data-autofocus
          disabled={addition.isPending}
          value={domain}
          error={violationOf(violationsOf(addition.error), 'domain')}
          onChange={(event) => setDomain(event.currentTarget.value)}
        />
        <RequestProblem title="The domain was not added" error={addition.error} fields={['domain']} />
      </ConfirmDialog>
    </>
  );
}
