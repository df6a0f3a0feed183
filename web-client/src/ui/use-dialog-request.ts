import { useDisclosure } from '@mantine/hooks';
import { type QueryKey, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { useRequest } from '@/api/use-request';

interface Options<T> {
  /** The dialog is there only to be opened: it opens by itself. */
  opensAtOnce?: boolean;
  /** The dialog shows the result: it stays open after success, and the result is discarded when it closes. */
  showsResult?: boolean;
  /** The same for requests that must not take effect twice; by default each attempt of a person is a request of its own. */
  requestId?: string;
  /** Called when the request has succeeded and the dialog is closed. */
  onSuccess?: (result: T) => void;
}

/** A request from a dialog, which closes when the request has succeeded. Refetches what the request `changes`. */
export function useDialogRequest<T>(
  changes: QueryKey[],
  call: (requestId: string, signal: AbortSignal) => Promise<T>,
  { opensAtOnce = false, showsResult = false, requestId, onSuccess }: Options<T> = {},
) {
  const queryClient = useQueryClient();
  const [opened, { open, close }] = useDisclosure();
  // After the first render: the dialog returns the focus to what has it now.
  useEffect(() => {
    if (opensAtOnce) open();
  }, [opensAtOnce, open]);
  const request = useRequest({
    call,
    requestId,
    onSuccess: (result) => {
      if (!showsResult) close();
      onSuccess?.(result);
    },
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
