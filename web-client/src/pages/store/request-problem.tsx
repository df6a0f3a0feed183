import { Code, ConnectError } from '@connectrpc/connect';
import { Alert } from '@mantine/core';
import { ProblemAlert } from '@/ui/problem-alert';

/** Why a request failed, or that it was aborted: nothing more is sent then, but the server may have received it. */
export function RequestProblem({ title, error }: { title: string; error: unknown }) {
  if (!error) return null;
  const isAborted = ConnectError.from(error).code === Code.Canceled;
  if (!isAborted) return <ProblemAlert title={title} error={error} />;
  return (
    <Alert color="gray" variant="outline" title="Stopped" role="alert">
      Nothing more is sent. If the server had already received the request, this page shows it.
    </Alert>
  );
}
