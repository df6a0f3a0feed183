import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { screen, waitFor } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { ErrorInfoSchema } from '@/gen/google/rpc/error_details_pb';
import { CircuitState, OverviewSchema } from '@/gen/storeplane/v1/platform_pb';
import { RENDERED, renderApp } from '../../test/render-app';

const CLUSTER = { name: 'The Kubernetes API server does not answer' };
const DATABASE = { name: 'Postgres does not answer' };

function databaseUnavailable() {
  const info = { desc: ErrorInfoSchema, value: { reason: 'DATABASE_UNAVAILABLE', domain: 'storeplane' } };
  return new ConnectError('the database is not available', Code.Unavailable, {}, [info]);
}

test('a cluster that does not answer is reported with the cause, until it answers', async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  let state = CircuitState.OPEN;
  renderApp({
    platform: {
      getOverview: () =>
        create(OverviewSchema, {
          caller: { name: 'ada', tenant: 'default', role: 'admin' },
          dependencies: [
            { name: 'postgres', state: CircuitState.CLOSED },
            { name: 'kubernetes', state, message: state === CircuitState.CLOSED ? '' : 'connection refused' },
          ],
        }),
    },
  });
  const alert = await screen.findByRole('alert', CLUSTER, RENDERED);
  expect(alert.textContent).toContain('connection refused');
  expect(screen.queryByRole('alert', DATABASE)).toBeNull();
  state = CircuitState.HALF_OPEN;
  await vi.advanceTimersByTimeAsync(6_000);
  expect(screen.getByRole('alert', CLUSTER)).toBeTruthy();
  state = CircuitState.CLOSED;
  await vi.advanceTimersByTimeAsync(6_000);
  await waitFor(() => expect(screen.queryByRole('alert', CLUSTER)).toBeNull());
  vi.useRealTimers();
});

test('a database that does not answer is reported while it lasts', async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  let calls = 0;
  let away = false;
  renderApp({
    platform: {
      getOverview: () => {
        calls += 1;
        if (away) throw databaseUnavailable();
        return create(OverviewSchema, { caller: { name: 'ada', tenant: 'default', role: 'admin' } });
      },
    },
  });
  await waitFor(() => expect(calls).toBeGreaterThan(0), RENDERED);
  expect(screen.queryByRole('alert', DATABASE)).toBeNull();
  away = true;
  await vi.advanceTimersByTimeAsync(90_000);
  await screen.findByRole('alert', DATABASE, RENDERED);
  away = false;
  await vi.advanceTimersByTimeAsync(30_000);
  await waitFor(() => expect(screen.queryByRole('alert', DATABASE)).toBeNull(), RENDERED);
  vi.useRealTimers();
});
