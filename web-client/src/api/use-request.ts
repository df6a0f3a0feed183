import { useMutation } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { withRetries } from './retry';
import { uuid } from './uuid';

interface Options<T> {
  /** Makes the call; every attempt of one request has the same `requestId`. */
  call: (requestId: string, signal: AbortSignal) => Promise<T>;
  /** The same for requests that must not take effect twice; by default each `send` is a request of its own. */
  requestId?: string;
  onSuccess?: (result: T) => void;
  onSettled?: () => void;
}

/** A mutation that a person starts and can abort. Leaving the page aborts it too: nothing is retried in the background. */
export function useRequest<T>({ call, requestId, onSuccess, onSettled }: Options<T>) {
  const controller = useRef<AbortController>(undefined);
  useEffect(() => () => controller.current?.abort(), []);
  const mutation = useMutation({
    mutationFn: () => {
      const current = new AbortController();
      controller.current = current;
      const id = requestId ?? uuid();
      return withRetries((signal) => call(id, signal), current.signal);
    },
    onSuccess,
    onSettled,
    // A result may hold a secret: the cache keeps none that the caller has reset.
    gcTime: 0,
  });
  return {
    send: () => mutation.mutate(),
    abort: () => controller.current?.abort(),
    reset: mutation.reset,
    isPending: mutation.isPending,
    isSuccess: mutation.isSuccess,
    error: mutation.error,
    data: mutation.data,
  };
}
