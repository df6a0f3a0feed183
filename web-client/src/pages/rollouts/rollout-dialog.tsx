import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useApi } from '@/api/api';
import { ROLLOUTS } from '@/api/queries';
import { useRequest } from '@/api/use-request';
import { uuid } from '@/api/uuid';
import { count } from '@/format/words';
import { StoreEnvironment } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { FIELDS, type RolloutDraft, rolloutOf } from './rollout-draft';
import { isAboutStores, RolloutForm } from './rollout-form';
import { RolloutPreview } from './rollout-preview';

/** Starts a rollout, in a dialog that opens at once: a form, then what the server would do, which starts after a confirmation. */
export function RolloutDialog({ initial }: { initial: RolloutDraft }) {
  const { clients, queries } = useApi();
  const navigate = useNavigate();
  const engines = useQuery(queries.engines());
  const [draft, setDraft] = useState(initial);
  const catalog = engines.data?.engines ?? [];
  const previewing = useRequest({
    call: async (_, signal) => {
      const rollout = rolloutOf(draft, catalog);
      const preview = await clients.rollouts.createRollout({ rollout, validateOnly: true }, { signal });
      return { rollout, preview };
    },
  });
  const previewed = previewing.data;
  // What was previewed is one request: after a lost answer, sending it again starts no second rollout.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another preview is another request
  const requestId = useMemo(uuid, [previewed]);
  const creation = useDialogRequest(
    [ROLLOUTS],
    (requestId, signal) => {
      if (!previewed) throw new Error('a rollout is previewed before it starts');
      return clients.rollouts.createRollout({ rollout: previewed.rollout, requestId }, { signal });
    },
    {
      opensAtOnce: true,
      requestId,
      onSuccess: ({ rolloutId }) => void navigate({ to: '/rollouts/$rolloutId', params: { rolloutId } }),
    },
  );
  const discard = () => {
    previewing.reset();
    creation.reset();
  };
  if (previewed) {
    const { preview } = previewed;
    const total = count(preview.counts?.total ?? 0, 'store');
    return (
      <ConfirmDialog
        {...creation.dialog}
        title="New rollout"
        phrase={goesLive(previewed.rollout) ? `change ${total}` : undefined}
        action={`Change ${total}`}
        dismiss="Back"
        onDismiss={discard}
      >
        <RolloutPreview rollout={preview} />
        <RequestProblem title="The rollout was not started" error={creation.error} />
      </ConfirmDialog>
    );
  }
  return (
    <ConfirmDialog
      {...creation.dialog}
      title="New rollout"
      action="Preview rollout"
      disabled={!engines.data}
      pending={previewing.isPending}
      onConfirm={previewing.send}
      onAbort={previewing.abort}
    >
      <RolloutForm
        draft={draft}
        engines={catalog}
        error={previewing.error}
        disabled={previewing.isPending}
        onChange={(part) => {
          discard();
          setDraft({ ...draft, ...part });
        }}
      />
      {!isAboutStores(previewing.error) && (
        <RequestProblem title="The rollout can't be started" error={previewing.error} fields={Object.values(FIELDS)} />
      )}
    </ConfirmDialog>
  );
}

/** True if shops begin to reach customers. */
function goesLive({ target }: ReturnType<typeof rolloutOf>): boolean {
  return target?.store?.environment === StoreEnvironment.PRODUCTION;
}
