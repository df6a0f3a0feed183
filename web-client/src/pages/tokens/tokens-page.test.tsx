import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { act, screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, test, vi } from 'vitest';
import { BadRequestSchema, ErrorInfoSchema } from '@/gen/google/rpc/error_details_pb';
import {
  type CreateTokenRequest,
  type RotateTokenRequest,
  type TokenSchema,
  TokenState,
} from '@/gen/storeplane/v1/token_service_pb';
import { session } from '@/session/session';
import { RENDERED, renderApp } from '../../../test/render-app';
import { type Issued, OneTimeSecret } from './issued';

afterEach(() => session.signedOut());

const DAY = 86_400_000;
const SECRET = 'spt_the-secret-of-this-test';

function makeToken(part: MessageInitShape<typeof TokenSchema> = {}): MessageInitShape<typeof TokenSchema> {
  return {
    tokenId: '0190a000-0000-7000-8000-0000000000c1',
    name: 'ci',
    role: 'operator',
    state: TokenState.VALID,
    createTime: timestampFromMs(Date.now() - 3 * DAY),
    createdBy: 'ada',
    expireTime: timestampFromMs(Date.now() + 20 * DAY + 60_000),
    ...part,
  };
}

/** All that the page, its address, its storage and its caches hold. */
function held(queryClient: ReturnType<typeof renderApp>['queryClient']): string {
  const mutations = queryClient.getMutationCache().getAll();
  const queries = queryClient.getQueryCache().getAll();
  const cached = [...mutations, ...queries].map(({ state }) => state.data);
  const shown = (value: unknown) => (value instanceof OneTimeSecret ? value.reveal() : value);
  const text = JSON.stringify(cached, (_, value) => (typeof value === 'bigint' ? String(value) : shown(value)));
  return [
    document.documentElement.outerHTML,
    window.location.href,
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }]),
    text,
  ].join('\n');
}

test('a token is created with no more than its creator may, and its secret is shown once and then forgotten', async () => {
  const requests: CreateTokenRequest[] = [];
  const { queryClient } = renderApp({
    path: '/tokens',
    tokens: {
      createToken: (request) => {
        requests.push(request);
        const { name, storeIds } = request;
        return { token: makeToken({ name, storeIds }), secret: SECRET };
      },
      listTokens: () => ({ tokens: requests.map(({ name }) => makeToken({ name })) }),
    },
  });
  const log = vi.spyOn(console, 'log');
  await userEvent.click(await screen.findByRole('button', { name: 'New token' }, RENDERED));
  const dialog = await screen.findByRole('dialog', undefined, RENDERED);
  const roles = within(dialog).getByLabelText('Role');
  expect([...roles.querySelectorAll('option')].map(({ value }) => value)).toEqual([
    'viewer',
    'auditor',
    'operator',
    'admin',
  ]);
  await userEvent.type(within(dialog).getByLabelText('Name'), 'deploy');
  await userEvent.selectOptions(roles, 'operator');
  await userEvent.type(within(dialog).getByLabelText('Only stores with these IDs'), 'tea, bike');
  await userEvent.click(within(dialog).getByRole('button', { name: 'Create token' }));
  await within(dialog).findByText(SECRET, undefined, RENDERED);
  expect(requests).toHaveLength(1);
  expect(requests[0]).toMatchObject({ name: 'deploy', role: 'operator', storeIds: ['tea', 'bike'] });
  expect(requests[0]?.ttl && durationMs(requests[0].ttl)).toBe(90 * DAY);
  within(dialog).getByText(/it is shown only once/);
  // Neither Escape nor a repeated Enter closes what can't be opened again.
  await userEvent.keyboard('{Escape}{Enter}');
  expect(held(queryClient)).toContain(SECRET);
  const [mutation] = queryClient.getMutationCache().getAll();
  const secret = (mutation?.state.data as Issued | undefined)?.secret;
  expect(secret?.reveal()).toBe(SECRET);
  await userEvent.click(within(dialog).getByRole('button', { name: 'I have saved it' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull(), RENDERED);
  await waitFor(() => expect(held(queryClient)).not.toContain(SECRET), RENDERED);
  expect(secret?.reveal()).toBe('');
  await screen.findByText('deploy', undefined, RENDERED);
  expect(JSON.stringify(log.mock.calls)).not.toContain(SECRET);
  // Another dialog begins empty.
  await userEvent.click(screen.getByRole('button', { name: 'New token' }));
  expect(await screen.findByLabelText('Name', undefined, RENDERED)).toHaveProperty('value', '');
});

test('a secret that is shown survives the end of the session', async () => {
  renderApp({ path: '/tokens', tokens: { createToken: () => ({ token: makeToken(), secret: SECRET }) } });
  await userEvent.click(await screen.findByRole('button', { name: 'New token' }, RENDERED));
  await userEvent.type(await screen.findByLabelText('Name', undefined, RENDERED), 'ci');
  await userEvent.click(screen.getByRole('button', { name: 'Create token' }));
  await screen.findByText(SECRET, undefined, RENDERED);
  act(() => session.expire(session.generation()));
  await screen.findByText('Sign in again', undefined, RENDERED);
  act(() => session.signedIn());
  await waitFor(() => expect(screen.queryByText('Sign in again')).toBeNull(), RENDERED);
  screen.getByText(SECRET);
});

test('a name that is taken is said at the field, a secret that was shown before in an alert', async () => {
  let reason = 'TOKEN_NAME_TAKEN';
  renderApp({
    path: '/tokens',
    tokens: {
      createToken: () => {
        const info = { desc: ErrorInfoSchema, value: { reason, domain: 'storeplane' } };
        throw new ConnectError('this request was executed before', Code.AlreadyExists, undefined, [info]);
      },
    },
  });
  await userEvent.click(await screen.findByRole('button', { name: 'New token' }, RENDERED));
  const name = await screen.findByLabelText('Name', undefined, RENDERED);
  await userEvent.type(name, 'ci');
  await userEvent.click(screen.getByRole('button', { name: 'Create token' }));
  await screen.findByText('a valid token has this name', undefined, RENDERED);
  expect(name.getAttribute('aria-invalid')).toBe('true');
  expect(screen.queryByText('The token was not created')).toBeNull();
  reason = 'SECRET_ALREADY_SHOWN';
  await userEvent.click(screen.getByRole('button', { name: 'Create token' }));
  await screen.findByText('The token was not created', undefined, RENDERED);
  screen.getByText('This request was executed before.');
});

test('a limited token names its stores, and a wrong ID is said at the field', async () => {
  const storeIds = ['a', 'b', 'c', 'd'];
  renderApp({
    path: '/tokens',
    tokens: {
      listTokens: () => ({ tokens: [makeToken({ storeIds, storeIdPrefix: 'shop-' })] }),
      createToken: () => {
        const fieldViolations = [{ field: 'store_ids[1]', description: 'must have lowercase letters' }];
        const details = [{ desc: BadRequestSchema, value: { fieldViolations } }];
        throw new ConnectError('the request is invalid', Code.InvalidArgument, undefined, details);
      },
    },
  });
  await screen.findByText('shop-*, a, b and 2 more', undefined, RENDERED);
  await userEvent.click(screen.getByRole('button', { name: 'New token' }));
  await userEvent.type(await screen.findByLabelText('Name', undefined, RENDERED), 'ci');
  await userEvent.click(screen.getByRole('button', { name: 'Create token' }));
  await screen.findByText('must have lowercase letters', undefined, RENDERED);
  expect(screen.getByLabelText('Only stores with these IDs').getAttribute('aria-invalid')).toBe('true');
  expect(screen.queryByText('The token was not created')).toBeNull();
});

test('a limited token of a server that ignores limits is revoked and its secret not shown', async () => {
  const revoked: string[] = [];
  const { queryClient } = renderApp({
    path: '/tokens',
    tokens: {
      createToken: () => ({ token: makeToken(), secret: SECRET }),
      revokeToken: ({ tokenId }) => {
        revoked.push(tokenId);
        return makeToken({ state: TokenState.REVOKED });
      },
    },
  });
  await userEvent.click(await screen.findByRole('button', { name: 'New token' }, RENDERED));
  await userEvent.type(await screen.findByLabelText('Name', undefined, RENDERED), 'ci');
  await userEvent.type(screen.getByLabelText('Only stores whose ID starts with'), 'shop-');
  await userEvent.click(screen.getByRole('button', { name: 'Create token' }));
  await screen.findByText(
    /too old to limit a token to stores; the token that it created was revoked/,
    undefined,
    RENDERED,
  );
  expect(revoked).toEqual([makeToken().tokenId]);
  expect(held(queryClient)).not.toContain(SECRET);
});

test('a rotation says which secrets end, and does not end the own session before its secret is shown', async () => {
  const requests: RotateTokenRequest[] = [];
  const previousSecretExpireTime = timestampFromMs(Date.now() + 5 * 3_600_000 + 60_000);
  renderApp({
    path: '/tokens',
    tokens: {
      listTokens: () => ({
        tokens: [makeToken({ previousSecretExpireTime }), makeToken({ tokenId: 'own', name: 'ada', role: 'admin' })],
      }),
      rotateToken: (request) => {
        requests.push(request);
        return { token: makeToken(), secret: SECRET };
      },
    },
  });
  const ends = () =>
    [...screen.getByLabelText('Current secret').querySelectorAll('option')].map(({ value }) => Number(value));
  await userEvent.click(await screen.findByRole('button', { name: 'Rotate ada' }, RENDERED));
  await screen.findByText('You are signed in with this token', undefined, RENDERED);
  expect(Math.min(...ends())).toBe(1);
  await userEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull(), RENDERED);

  await userEvent.click(screen.getByRole('button', { name: 'Rotate ci' }));
  await screen.findByText('Two secrets work now', undefined, RENDERED);
  expect(screen.getByRole('dialog').textContent).toContain('ends in 5 h');
  await userEvent.selectOptions(screen.getByLabelText('Current secret'), '0');
  await userEvent.selectOptions(screen.getByLabelText('New secret expires after'), '30');
  await userEvent.click(screen.getByRole('button', { name: 'Rotate token' }));
  await screen.findByText(SECRET, undefined, RENDERED);
  expect(requests[0]?.tokenId).toBe(makeToken().tokenId);
  expect(requests[0]?.overlap && durationMs(requests[0].overlap)).toBe(0);
  expect(requests[0]?.ttl && durationMs(requests[0].ttl)).toBe(30 * DAY);
});

test('a token is revoked once its name was typed; what has ended or is above the own role offers nothing', async () => {
  let isRevoked = false;
  let answer = () => {};
  const shown: boolean[] = [];
  renderApp({
    path: '/tokens',
    tokens: {
      listTokens: async ({ showInactive }) => {
        shown.push(showInactive);
        if (isRevoked && !showInactive) await new Promise<void>((resolve) => (answer = resolve));
        const ci = makeToken(
          isRevoked
            ? { state: TokenState.REVOKED, revokedBy: 'ada', revokeTime: timestampFromMs(Date.now()) }
            : { expireTime: undefined },
        );
        const root = makeToken({ tokenId: 'root', name: 'root', role: 'platform_admin' });
        return { tokens: isRevoked && !showInactive ? [root] : [ci, root] };
      },
      revokeToken: ({ tokenId }) => {
        expect(tokenId).toBe(makeToken().tokenId);
        isRevoked = true;
        return makeToken({ state: TokenState.REVOKED });
      },
    },
  });
  await userEvent.click(await screen.findByRole('button', { name: 'Revoke ci' }, RENDERED));
  screen.getByText('Never');
  expect(screen.queryByRole('button', { name: 'Revoke root' })).toBeNull();
  const revoke = await screen.findByRole('button', { name: 'Revoke token' }, RENDERED);
  expect(revoke).toHaveProperty('disabled', true);
  await userEvent.type(screen.getByLabelText('Type ci to confirm'), 'ci');
  await userEvent.click(revoke);
  const button = screen.getByRole('button', { name: 'Revoke ci', hidden: true });
  await waitFor(() => expect(screen.queryByRole('dialog', { hidden: true })).toBeNull(), RENDERED);
  expect(document.activeElement).toBe(button);
  answer();
  await waitFor(() => expect(screen.queryByText('ci')).toBeNull(), RENDERED);
  // The button that had the focus is gone.
  await waitFor(() => expect(document.activeElement?.tagName).toBe('H1'), RENDERED);
  await userEvent.click(screen.getByRole('switch', { name: 'Show expired and revoked' }));
  await screen.findByText('Revoked', undefined, RENDERED);
  expect(screen.queryByRole('button', { name: 'Revoke ci' })).toBeNull();
  expect(shown.at(-1)).toBe(true);
});

test.each(['viewer', 'auditor', 'operator'])(
  'the role %s is told who manages tokens, and does not ask for them',
  async (role) => {
    const listTokens = vi.fn(() => ({}));
    renderApp({ path: '/tokens', role, tokens: { listTokens } });
    await screen.findByText('Tokens are for admins', undefined, RENDERED);
    expect(screen.queryByRole('link', { name: 'Tokens' })).toBeNull();
    expect(screen.queryByRole('button', { name: 'New token' })).toBeNull();
    expect(listTokens).not.toHaveBeenCalled();
  },
);
