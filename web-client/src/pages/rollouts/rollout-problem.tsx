import { Alert } from '@mantine/core';
import type { ComponentProps } from 'react';
import { problem } from '@/api/problem';
import { QueryProblem } from '@/ui/query-problem';

/** Why rollouts can't be read. Tokens that are limited to some stores may not: a rollout shows and changes any store of its tenant. */
export function RolloutProblem(props: ComponentProps<typeof QueryProblem>) {
  const { error } = props.query;
  if (error && problem(error).reason === 'STORE_OUTSIDE_SCOPE') {
    return (
      <Alert color="gray" variant="outline" title="Rollouts are not available to you" role="note">
        Your token is limited to some stores, and a rollout can change any store of the tenant.
      </Alert>
    );
  }
  return <QueryProblem {...props} />;
}
