import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useApi } from '@/api/api';
import { BACKUPS, storeKeys } from '@/api/queries';
import { uuid } from '@/api/uuid';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { useOpenCreated } from '../create/use-open-created';
import { type CopyOrigin, EMPTY, FIELDS, requestOf } from './copy-draft';
import { CopyForm } from './copy-form';

/** Creates a store with the data of another one, and opens its page. */
export function CopyDialog(origin: CopyOrigin) {
  const { storeId, storeUid } = origin;
  const { clients, queries } = useApi();
  const [draft, setDraft] = useState(EMPTY);
  const [generatedId, setGeneratedId] = useState('');
  const source = useQuery(queries.store(storeId, storeUid)).data;
  // The same draft is the same request: after a lost answer, sending it again creates no second copy.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another draft is another request
  const requestId = useMemo(uuid, [draft, generatedId]);
  const copy = useDialogRequest(
    [BACKUPS, ...storeKeys(storeId)],
    (requestId, signal) =>
      clients.stores.copyStore({ ...requestOf(origin, draft, generatedId), requestId }, { signal }),
    { opensAtOnce: true, requestId, onSuccess: useOpenCreated() },
  );
  return (
    <ConfirmDialog {...copy.dialog} title={`Copy ${source?.displayName ?? storeId}`} action="Create copy">
      <CopyForm
        origin={origin}
        source={source}
        draft={draft}
        generatedId={generatedId}
        error={copy.error}
        disabled={copy.isPending}
        onChange={(part) => {
          copy.reset();
          setDraft({ ...draft, ...part });
        }}
        onGeneratedId={setGeneratedId}
      />
      <RequestProblem title="The copy was not created" error={copy.error} fields={FIELDS} />
    </ConfirmDialog>
  );
}
