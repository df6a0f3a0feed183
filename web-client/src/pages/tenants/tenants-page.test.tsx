import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { ErrorInfoSchema } from '@/gen/google/rpc/error_details_pb';
import {
  type DeleteTenantRequest,
  type TenantSchema,
  TenantState,
  type UpdateTenantRequest,
} from '@/gen/storeplane/v1/tenant_service_pb';
import { RENDERED, renderApp } from '../../../test/render-app';

const ACME: MessageInitShape<typeof TenantSchema> = {
  tenantId: 'acme',
  displayName: 'Acme & Co',
  state: TenantState.ACTIVE,
  etag: 'e1',
  effectiveQuotas: { stores: 50n, plans: ['*'], cpu: 'unlimited', creations: 5n },
};

test('a tenant is suspended once its ID was typed, and resumed', async () => {
  let state = TenantState.ACTIVE;
  const set = (next: TenantState) => (request: { tenantId: string }) => {
    expect(request.tenantId).toBe('acme');
    state = next;
    return { ...ACME, state };
  };
  renderApp({
    path: '/tenants',
    role: 'platform_admin',
    tenants: {
      listTenants: () => ({ tenants: [{ ...ACME, state }] }),
      suspendTenant: set(TenantState.SUSPENDED),
      resumeTenant: set(TenantState.ACTIVE),
    },
  });
  await screen.findByText('Acme & Co', undefined, RENDERED);
  const list = within(screen.getByLabelText('Tenants'));
  expect(list.getByText('50')).toBeDefined();
  await userEvent.click(screen.getByRole('button', { name: 'Suspend acme' }));
  const suspend = await screen.findByRole('button', { name: 'Suspend tenant' }, RENDERED);
  expect(suspend).toHaveProperty('disabled', true);
  await userEvent.type(screen.getByLabelText('Type acme to confirm'), 'acme');
  await userEvent.click(suspend);
  await list.findByText('Suspended', undefined, RENDERED);
  await userEvent.click(await screen.findByRole('button', { name: 'Resume acme' }, RENDERED));
  await userEvent.click(await screen.findByRole('button', { name: 'Resume tenant' }, RENDERED));
  await list.findByText('Active', undefined, RENDERED);
});

test('a tenant is deleted once its ID was typed, and a refusal names the condition', async () => {
  let stores = 2;
  const tenants = [ACME, { ...ACME, tenantId: 'default', displayName: 'default' }];
  const requests: DeleteTenantRequest[] = [];
  renderApp({
    path: '/tenants',
    role: 'platform_admin',
    tenants: {
      listTenants: () => ({ tenants }),
      deleteTenant: (request) => {
        requests.push(request);
        if (stores > 0) {
          const message = `tenant "acme" has ${stores} stores that are not DELETED`;
          const info = { desc: ErrorInfoSchema, value: { reason: 'TENANT_NOT_EMPTY', domain: 'storeplane' } };
          throw new ConnectError(message, Code.FailedPrecondition, undefined, [info]);
        }
        tenants.shift();
        return { ...ACME, state: TenantState.DELETED };
      },
    },
  });
  await userEvent.click(await screen.findByRole('button', { name: 'Delete acme' }, RENDERED));
  // The server never deletes the default tenant.
  expect(screen.queryByRole('button', { name: 'Delete default' })).toBeNull();
  const confirm = await screen.findByRole('button', { name: 'Delete tenant' }, RENDERED);
  expect(confirm).toHaveProperty('disabled', true);
  await userEvent.type(screen.getByLabelText('Type acme to confirm'), 'acme');
  await userEvent.click(confirm);
  await screen.findByText('Tenant "acme" has 2 stores that are not DELETED.', undefined, RENDERED);
  stores = 0;
  await userEvent.click(confirm);
  await waitFor(() => expect(screen.queryByText('Acme & Co')).toBeNull(), RENDERED);
  await waitFor(() => expect(document.activeElement?.tagName).toBe('H1'), RENDERED);
  expect(requests.map(({ tenantId, etag }) => [tenantId, etag])).toEqual([
    ['acme', 'e1'],
    ['acme', 'e1'],
  ]);
});

test('quotas are saved as a whole: an empty field is the default', async () => {
  const requests: UpdateTenantRequest[] = [];
  renderApp({
    path: '/tenants',
    role: 'platform_admin',
    tenants: {
      listTenants: () => ({ tenants: [{ ...ACME, quotas: { memory: '64Gi' } }] }),
      updateTenant: (request) => {
        requests.push(request);
        return ACME;
      },
    },
  });
  await userEvent.click(await screen.findByRole('button', { name: 'Quotas of acme' }, RENDERED));
  await userEvent.type(await screen.findByLabelText('Stores', undefined, RENDERED), '7');
  await userEvent.clear(screen.getByLabelText('Memory of all stores'));
  await userEvent.click(screen.getByRole('button', { name: 'Save quotas' }));
  await waitFor(() => expect(requests).toHaveLength(1), RENDERED);
  expect(requests[0]).toMatchObject({ tenantId: 'acme', etag: 'e1', updateMask: { paths: ['quotas'] } });
  expect(requests[0]?.tenant?.quotas).toMatchObject({ stores: 7n, memory: '' });
});

test('only platform administrators find the page', async () => {
  const listTenants = vi.fn(() => ({}));
  renderApp({ path: '/tenants', role: 'admin', tenants: { listTenants } });
  await screen.findByText(/It needs the role platform_admin/, undefined, RENDERED);
  expect(screen.queryByRole('link', { name: 'Tenants' })).toBeNull();
  expect(listTenants).not.toHaveBeenCalled();
});
