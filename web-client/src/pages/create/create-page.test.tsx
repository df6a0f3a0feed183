import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, test } from 'vitest';
import { BadRequestSchema } from '@/gen/google/rpc/error_details_pb';
import type { CreateStoreRequest } from '@/gen/storeplane/v1/store_service_pb';
import { session } from '@/session/session';
import { makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';

afterEach(() => session.signedOut());

test('violations are shown at their fields, and a lost answer is requested again under the same id', async () => {
  const requests: CreateStoreRequest[] = [];
  const { router } = renderApp({
    path: '/create',
    stores: {
      createStore: (request) => {
        if (!request.validateOnly) requests.push(request);
        if (request.store?.adminEmail === 'nobody') throw violation('store.admin_email', 'must be an e-mail address');
        if (requests.length === 1) throw new ConnectError('gone', Code.Unavailable);
        return makeStore();
      },
      getStore: () => makeStore(),
    },
  });
  await userEvent.type(await screen.findByLabelText('Name', undefined, RENDERED), 'Tea & Co');
  expect(screen.getByLabelText('ID')).toHaveProperty('value', 'tea-co');
  await screen.findByText('1 CPU, 1Gi memory, 10Gi storage');
  const email = screen.getByLabelText('Admin email');
  await userEvent.type(email, 'nobody');
  await userEvent.tab();
  await screen.findByText('Must be an e-mail address', undefined, RENDERED);
  expect(email.getAttribute('aria-invalid')).toBe('true');
  await userEvent.clear(email);
  await userEvent.type(email, 'me@example.com');
  await waitFor(() => expect(screen.queryByText('Must be an e-mail address')).toBeNull());
  await userEvent.click(screen.getByRole('button', { name: 'Create store' }));
  await waitFor(() => expect(router.state.location.pathname).toBe('/stores/tea'), RENDERED);
  expect(requests).toHaveLength(2);
  expect(requests[0]?.requestId).toBe(requests[1]?.requestId);
  expect(requests[0]).toMatchObject({
    storeId: 'tea-co',
    store: { displayName: 'Tea & Co', adminEmail: 'me@example.com' },
  });
});

test('a store without an ID gets the one that the preview showed', async () => {
  const created: string[] = [];
  let generated = 0;
  renderApp({
    path: '/create',
    stores: {
      createStore: ({ storeId, validateOnly }) => {
        if (!validateOnly) created.push(storeId);
        return makeStore({ storeId: storeId || `shop-${++generated}` });
      },
      getStore: () => makeStore(),
    },
  });
  await userEvent.type(await screen.findByLabelText('Name', undefined, RENDERED), 'コーヒー');
  await userEvent.tab();
  // Another validation, of a name that was typed slowly, may have been answered with `shop-1`.
  const shown = (await screen.findByText(/^shop-\d$/, undefined, RENDERED)).textContent;
  await userEvent.type(screen.getByLabelText('Admin email'), 'me@example.com');
  await userEvent.click(screen.getByRole('button', { name: 'Create store' }));
  await waitFor(() => expect(created).toEqual([shown]));
});

test('the version is the default one unless another one is chosen', async () => {
  const requests: CreateStoreRequest[] = [];
  renderApp({
    path: '/create',
    stores: {
      createStore: (request) => {
        if (!request.validateOnly) requests.push(request);
        return makeStore();
      },
      getStore: () => makeStore(),
    },
  });
  await userEvent.type(await screen.findByLabelText('Name', undefined, RENDERED), 'Tea');
  await userEvent.type(screen.getByLabelText('Admin email'), 'me@example.com');
  const versions = await screen.findByLabelText('Version');
  expect(versions).toHaveProperty('value', '0.1.0');
  await userEvent.selectOptions(versions, '0.2.0 (11.1.0), security release');
  await screen.findByText('Fixes the checkout');
  await userEvent.click(screen.getByRole('button', { name: 'Create store' }));
  await waitFor(() => expect(requests).toHaveLength(1));
  expect(requests[0]?.store?.engineVersion).toBe('0.2.0');
});

function violation(field: string, description: string): ConnectError {
  const value = { fieldViolations: [{ field, description }] };
  const error = new ConnectError('the request is invalid', Code.InvalidArgument);
  error.details.push({ desc: BadRequestSchema, value: create(BadRequestSchema, value) });
  return error;
}
