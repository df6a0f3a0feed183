import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, test } from 'vitest';
import type { RevokeSessionsRequest } from '@/gen/storeplane/v1/session_service_pb';
import { session } from '@/session/session';
import { RENDERED, renderApp } from '../../../test/render-app';

afterEach(() => session.signedOut());

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';

test('a session is revoked alone or with all others of its user, and none above the own role', async () => {
  const requests: RevokeSessionsRequest[] = [];
  let all = ['s1', 's2'];
  renderApp({
    path: '/tokens',
    sessions: {
      listSessions: () => ({
        sessions: [
          { sessionId: 'root', name: 'root', role: 'platform_admin', credentialKind: 'token', credentialId: 't9' },
          ...all.map((sessionId) => ({
            sessionId,
            name: 'oidc:grace',
            role: 'operator',
            credentialKind: 'oidc',
            credentialId: 'https://id.example.com#7',
            userAgent: FIREFOX,
            peer: '192.0.2.7',
          })),
        ],
      }),
      revokeSessions: (request) => {
        requests.push(request);
        const before = all.length;
        all = request.sessionId ? all.filter((id) => id !== request.sessionId) : [];
        return { revokedCount: before - all.length };
      },
    },
  });
  await userEvent.click(await screen.findByText('Sessions', undefined, RENDERED));
  const buttons = () => screen.getAllByRole('button', { name: 'Revoke session of oidc:grace' });
  await screen.findAllByText('Firefox on Linux', undefined, RENDERED);
  expect(screen.queryByRole('button', { name: 'Revoke session of root' })).toBeNull();
  const first = buttons()[0];
  if (first) await userEvent.click(first);
  await userEvent.click(await screen.findByRole('button', { name: 'Revoke session' }, RENDERED));
  await waitFor(() => expect(buttons()).toHaveLength(1), RENDERED);
  const second = buttons()[0];
  if (second) await userEvent.click(second);
  await userEvent.click(await screen.findByLabelText('All sessions of oidc:grace', undefined, RENDERED));
  await userEvent.click(screen.getByRole('button', { name: 'Revoke sessions' }));
  await waitFor(() => expect(screen.queryByText('oidc:grace')).toBeNull(), RENDERED);
  expect(requests.map(({ sessionId, credentialId }) => [sessionId, credentialId])).toEqual([
    ['s1', ''],
    ['', 'https://id.example.com#7'],
  ]);
});
