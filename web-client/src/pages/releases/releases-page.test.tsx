import { Code, ConnectError } from '@connectrpc/connect';
import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';
import { ReleaseOwnership, ReleaseScope } from '@/gen/storeplane/v1/platform_pb';
import { RENDERED, renderApp } from '../../../test/render-app';

const RELEASES = [
  {
    namespace: 'store-tea',
    name: 'store-tea',
    ownership: ReleaseOwnership.STORE,
    storeId: 'tea',
    storeUid: 'u1',
    tenant: 'default',
    status: 'deployed',
    revision: 3,
    chart: 'woocommerce',
    chartVersion: '1.2.3',
  },
  {
    namespace: 'store-old--acme',
    name: 'store-old',
    ownership: ReleaseOwnership.ORPHAN,
    storeId: 'old',
    tenant: 'acme',
    status: 'pending-upgrade',
    revision: 1,
  },
  { namespace: 'monitoring', name: 'grafana', ownership: ReleaseOwnership.FOREIGN, status: 'deployed', revision: 7 },
];

test('each release shows its owner, and only stores of the own tenant are links', async () => {
  const filters: string[] = [];
  renderApp({
    path: '/releases',
    platform: {
      listReleases: ({ filter }) => {
        filters.push(filter);
        const isOrphan = filter.includes('ORPHAN');
        return {
          releases: isOrphan ? RELEASES.slice(1, 2) : RELEASES,
          totalSize: isOrphan ? 1n : 3n,
          scope: ReleaseScope.CLUSTER,
        };
      },
    },
  });
  const link = await screen.findByRole('link', { name: 'tea' }, RENDERED);
  expect(link.getAttribute('href')).toBe('/stores/tea?uid=u1');
  const list = within(screen.getByLabelText('Helm releases'));
  expect(list.getByText('old (acme)').closest('a')).toBeNull();
  expect(list.getByText('woocommerce 1.2.3')).toBeDefined();
  expect(list.getByText('grafana')).toBeDefined();
  expect(screen.getByTestId('total').textContent).toBe('3 releases');
  await userEvent.selectOptions(screen.getByLabelText('Belongs to'), 'ORPHAN');
  await screen.findByText('1 release', undefined, RENDERED);
  expect(filters.at(-1)).toBe('ownership = ORPHAN');
});

test('a failed call is a problem, not an empty list', async () => {
  renderApp({
    path: '/releases',
    platform: {
      listReleases: () => {
        throw new ConnectError('role viewer does not permit this', Code.PermissionDenied);
      },
    },
  });
  await screen.findByText("The releases couldn't be loaded", undefined, RENDERED);
  expect(screen.queryByText('No releases yet')).toBeNull();
});

test.each(['operator', 'admin', 'platform_admin'])('the role %s finds the page in the menu', async (role) => {
  renderApp({ role });
  await screen.findByRole('link', { name: 'Releases' }, RENDERED);
});

test.each(['viewer', 'auditor'])('the role %s, which may not list releases, does not find it', async (role) => {
  renderApp({ role });
  await screen.findByRole('link', { name: 'Activity' }, RENDERED);
  await screen.findByText(`${role} · default`, undefined, RENDERED);
  expect(screen.queryByRole('link', { name: 'Releases' })).toBeNull();
});
