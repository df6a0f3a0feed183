import { useDisclosure } from '@mantine/hooks';
import { type QueryKey, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { useRequest } from '@/api/use-request';

interface Options {
  /** The dialog is there only to be opened: it opens by itself. */
  opensAtOnce?: boolean;
  /** The dialog shows the result: it stays open after success, and the result is discarded when it closes. */
  showsResult?: boolean;
}

/** A request from a dialog, which closes when the request has succeeded. Refetches what the request `changes`. */
export function useDialogRequest<T>(
  changes: QueryKey[],
  call: (requestId: string, signal: AbortSignal) => Promise<T>,
  { opensAtOnce = false, showsResult = false }: Options = {},
) {
  const queryClient = useQueryClient();
  const [opened, { open, close }] = useDisclosure();
  // After the first render: the dialog returns the focus to what has it now.
  useEffect(() => {
    if (opensAtOnce) open();
  }, [opensAtOnce, open]);
  const request = useRequest({
    call,
    onSuccess: showsResult ? undefined : close,
    onSettled: () => {
      for (const queryKey of changes) void queryClient.invalidateQueries({ queryKey });
    },
  });
  const discardAndClose = () => {
    close();
    request.reset();
  };
  const onClose = showsResult ? discardAndClose : close;
  return {
    ...request,
    opened,
    open: () => {
      request.reset();
      open();
    },
    close: onClose,
    /** For the `ConfirmDialog`. */
    dialog: { opened, pending: request.isPending, onConfirm: request.send, onClose, onAbort: request.abort },
  };
}
