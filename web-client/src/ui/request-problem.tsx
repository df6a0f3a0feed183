import { Code, ConnectError } from '@connectrpc/connect';
import { Alert } from '@mantine/core';
import { problem, violationOf } from '@/api/problem';
import { ProblemAlert } from './problem-alert';

interface Props {
  title: string;
  error: unknown;
  /** Fields of the request that show their violations themselves. */
  fields?: string[];
}

/** Why a request failed, or that it was aborted: nothing more is sent then, but the server may have received it. */
export function RequestProblem({ title, error, fields = [] }: Props) {
  if (!error) return null;
  const { violations } = problem(error);
  if (fields.some((field) => violationOf(violations, field))) return null;
  const isAborted = ConnectError.from(error).code === Code.Canceled;
  if (!isAborted) return <ProblemAlert title={title} error={error} />;
  return (
    <Alert color="gray" variant="outline" title="Stopped" role="alert">
      Nothing more is sent. If the server had already received the request, this page shows it.
    </Alert>
  );
}
