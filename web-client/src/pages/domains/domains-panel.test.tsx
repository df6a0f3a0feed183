import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, test } from 'vitest';
import {
  type CreateDomainRequest,
  type DeleteDomainRequest,
  DomainDnsState,
  DomainOwnershipState,
} from '@/gen/storeplane/v1/domain_service_pb';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import type { UpdateStoreRequest } from '@/gen/storeplane/v1/store_service_pb';
import { BEGIN, makeStore } from '../../../test/fixtures';
import { RENDERED, renderApp } from '../../../test/render-app';

const time = timestampFromMs(BEGIN);
const NAME = 'shop.example.com';
const TXT = { type: 'TXT', name: `_storeplane-challenge.${NAME}`, value: 'storeplane-verification=abc' };

const FILE = `http://${NAME}/.well-known/storeplane-verification.txt`;

/** A store with one domain, once it was added. */
function setUp(options: { role?: string; isVerified?: boolean; isPrimary?: boolean } = {}) {
  const { role = 'admin', isVerified = false, isPrimary = false } = options;
  const made = { isThere: isVerified };
  const created: CreateDomainRequest[] = [];
  const deleted: DeleteDomainRequest[] = [];
  const updated: UpdateStoreRequest[] = [];
  const store = makeStore({
    state: StoreState.READY,
    readyTime: time,
    stateTime: time,
    host: 'store-tea.shops.example.net',
    primaryDomain: isPrimary ? NAME : '',
  });
  const domain = () => ({
    domain: NAME,
    storeId: 'tea',
    verificationRecord: TXT,
    verificationFile: { url: FILE, line: TXT.value },
    addressRecords: [{ type: 'CNAME', name: NAME, value: store.host }],
    ownership: { state: isVerified ? DomainOwnershipState.VERIFIED : DomainOwnershipState.PENDING },
    dns: { state: isVerified ? DomainDnsState.ELSEWHERE : DomainDnsState.UNKNOWN },
    served: isVerified,
    primary: isPrimary,
  });
  renderApp({
    path: '/stores/tea',
    role,
    stores: {
      getStore: () => store,
      updateStore: (request) => {
        updated.push(request);
        return store;
      },
    },
    domains: {
      listDomains: () => ({ domains: made.isThere ? [domain()] : [] }),
      createDomain: (request) => {
        created.push(request);
        made.isThere = true;
        return domain();
      },
      deleteDomain: (request) => {
        deleted.push(request);
        made.isThere = false;
        return domain();
      },
    },
  });
  return { created, deleted, updated };
}

// By selector: on a page this large, a query by role takes seconds.
async function panel() {
  const heading = await screen.findByText('Domains', { selector: 'h2' }, RENDERED);
  return within(heading.closest('section') as HTMLElement);
}

test('a domain that was added shows the records to create', async () => {
  const { created } = setUp();
  await (await panel()).findByText('No custom domains');
  await userEvent.click((await panel()).getByText('Add domain'));
  const dialog = within(await screen.findByRole('dialog'));
  await userEvent.type(dialog.getByLabelText(/Domain/), ' Shop.example.com');
  await userEvent.click(dialog.getByText('Add domain', { selector: 'button *' }));
  const domains = await panel();
  await domains.findByText(TXT.value);
  expect(domains.getByText(TXT.name)).toBeTruthy();
  expect(domains.getByText(FILE)).toBeTruthy();
  expect(domains.getByText('store-tea.shops.example.net')).toBeTruthy();
  expect(domains.getByText('Waiting for the TXT record or the file')).toBeTruthy();
  expect(created.map(({ domain }) => domain)).toEqual([NAME]);
});

test('a domain that does not point here becomes the primary one only after a warning', async () => {
  const { updated } = setUp({ isVerified: true });
  const domains = await panel();
  await userEvent.click(await domains.findByLabelText(`Make primary: ${NAME}`));
  const dialog = within(await screen.findByRole('dialog'));
  expect(dialog.getByText(/don't point here/)).toBeTruthy();
  await userEvent.click(dialog.getByText('Change address'));
  await waitFor(() => expect(updated).toHaveLength(1));
  expect(updated[0]?.store?.primaryDomain).toBe(NAME);
  expect(updated[0]?.updateMask?.paths).toEqual(['primary_domain']);
});

test('the primary domain is removed only after it was typed', async () => {
  const { deleted } = setUp({ isVerified: true, isPrimary: true });
  const domains = await panel();
  await userEvent.click(await domains.findByLabelText(`Remove ${NAME}`));
  const dialog = within(await screen.findByRole('dialog'));
  const remove = dialog.getByText('Remove domain').closest('button') as HTMLButtonElement;
  expect(remove.disabled).toBe(true);
  await userEvent.type(dialog.getByLabelText(/Type/), NAME);
  await userEvent.click(remove);
  await (await panel()).findByText('No custom domains');
  expect(deleted.map(({ domain }) => domain)).toEqual([NAME]);
});

test('a viewer sees domains and changes none', async () => {
  setUp({ role: 'viewer', isVerified: true });
  const domains = await panel();
  await domains.findByText('Points elsewhere');
  expect(domains.queryByText('Add domain')).toBeNull();
  expect(domains.queryByLabelText(`Remove ${NAME}`)).toBeNull();
});
