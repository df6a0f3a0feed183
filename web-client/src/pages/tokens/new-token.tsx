import { Button } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { violationsOf } from '@/api/problem';
import { TOKENS } from '@/api/queries';
import { useIsAdmin } from '@/session/caller';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { createToken } from './create-token';
import { Secret } from './secret';
import { EMPTY, FIELDS } from './token-draft';
import { TokenForm } from './token-form';

/** Creates a token and shows its secret. */
export function NewToken() {
  const { clients } = useApi();
  const isAdmin = useIsAdmin();
  const [draft, setDraft] = useState(EMPTY);
  const creation = useDialogRequest([TOKENS], (requestId, signal) => createToken(clients, draft, requestId, signal), {
    showsResult: true,
  });
  const open = () => {
    setDraft(EMPTY);
    creation.open();
  };
  const result = creation.data;
  return (
    <>
      {isAdmin && (
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
        <TokenForm
          draft={draft}
          violations={violationsOf(creation.error)}
          disabled={creation.isPending}
          onChange={setDraft}
        />
        <RequestProblem title="The token was not created" error={creation.error} fields={FIELDS} />
      </ConfirmDialog>
    </>
  );
}
