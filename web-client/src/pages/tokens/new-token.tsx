import { Button, NativeSelect, TextInput } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { violationsOf } from '@/api/problem';
import { TOKENS } from '@/api/queries';
import { useGrantableRoles } from '@/session/caller';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { issued } from './issued';
import { DEFAULT_LIFETIME, LIFETIMES, lifetime } from './lifetimes';
import { Secret } from './secret';

const EMPTY = { name: '', role: 'viewer', days: DEFAULT_LIFETIME };

/** Creates a token and shows its secret. */
export function NewToken() {
  const { clients } = useApi();
  const roles = useGrantableRoles();
  const [draft, setDraft] = useState(EMPTY);
  const { name, role, days } = draft;
  const creation = useDialogRequest(
    [TOKENS],
    (requestId, signal) =>
      issued(clients.tokens.createToken({ name, role, ttl: lifetime(days), requestId }, { signal })),
    { showsResult: true },
  );
  const open = () => {
    setDraft(EMPTY);
    creation.open();
  };
  const violations = violationsOf(creation.error);
  const result = creation.data;
  return (
    <>
      {roles.length > 0 && (
        <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={open}>
          New token
        </Button>
      )}
      <ConfirmDialog
        {...creation.dialog}
        title={result?.token ? `Token ${result.token.name} was created` : 'New token'}
        action="Create token"
        result={result && <Secret issued={result} onClose={creation.close} />}
      >
        <TextInput
          label="Name"
          description="The actor in the audit log, for example the program that uses it"
          autoComplete="off"
          spellCheck={false}
          data-autofocus
          disabled={creation.isPending}
          value={name}
          error={violations.get('name')}
          onChange={(event) => setDraft({ ...draft, name: event.currentTarget.value })}
        />
        <NativeSelect
          label="Role"
          disabled={creation.isPending}
          value={role}
          data={[...roles]}
          error={violations.get('role')}
          onChange={(event) => setDraft({ ...draft, role: event.currentTarget.value })}
        />
        <NativeSelect
          label="Expires after"
          disabled={creation.isPending}
          value={days}
          data={LIFETIMES}
          error={violations.get('ttl')}
          onChange={(event) => setDraft({ ...draft, days: event.currentTarget.value })}
        />
        <RequestProblem title="The token was not created" error={creation.error} fields={['name', 'role', 'ttl']} />
      </ConfirmDialog>
    </>
  );
}
