import { create } from '@bufbuild/protobuf';
import { useMemo } from 'react';
import { storeKeys } from '@/api/queries';
import { useRequest } from '@/api/use-request';
import { uuid } from '@/api/uuid';
import { type Store, UpdatePreviewSchema } from '@/gen/storeplane/v1/store_pb';
import { useDialogRequest } from '@/ui/use-dialog-request';

/** How the request is sent: as a preview, or for the store as it was previewed. */
export interface ChangeOptions {
  etag: string;
  requestId: string;
  validateOnly: boolean;
}

/** A change of a store that the server previews before it is applied, in a dialog that opens at once. */
export function useStoreChange(
  { storeId, etag }: Store,
  call: (options: ChangeOptions, signal: AbortSignal) => Promise<Store>,
) {
  const previewing = useRequest({
    call: async (_, signal) => {
      const { updatePreview } = await call({ etag, requestId: '', validateOnly: true }, signal);
      return { etag, call, preview: updatePreview ?? create(UpdatePreviewSchema) };
    },
  });
  const previewed = previewing.data;
  // What was previewed is one request: after a lost answer, sending it again applies nothing twice.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another preview is another request
  const requestId = useMemo(uuid, [previewed]);
  const applying = useDialogRequest(
    storeKeys(storeId),
    (requestId, signal) => {
      if (!previewed) throw new Error('a change is previewed before it is applied');
      return previewed.call({ etag: previewed.etag, requestId, validateOnly: false }, signal);
    },
    { opensAtOnce: true, requestId },
  );
  const current = previewed ? applying : previewing;
  return {
    /** Absent until the server has answered. */
    preview: previewed?.preview,
    /** Why the preview, or the change itself, failed. */
    error: current.error,
    isPending: current.isPending,
    requestPreview: previewing.send,
    /** Discards the preview, and what became of it. */
    discard: () => {
      previewing.reset();
      applying.reset();
    },
    /** For the `ConfirmDialog`: confirms the step that is next. */
    dialog: { ...applying.dialog, pending: current.isPending, onConfirm: current.send, onAbort: current.abort },
  };
}
