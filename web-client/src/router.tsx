import { createRootRoute, createRoute, createRouter } from '@tanstack/react-router';
import { NotFound, PageError } from './layout/page-error';
import { Shell } from './layout/shell';
import { ActivityPage } from './pages/activity/activity-page';
import { activitySearch } from './pages/activity/search';
import { LazyReleasesPage, LazyTenantsPage, LazyTokensPage } from './pages/administration/lazy-administration';
import { LazyBackupsPage } from './pages/backups/lazy-backups';
import { backupsSearch } from './pages/backups/search';
import { CreatePage } from './pages/create/create-page';
import { OverviewPage } from './pages/overview/overview-page';
import { overviewSearch } from './pages/overview/search';
import { releasesSearch } from './pages/releases/search';
import { LazyRolloutPage, LazyRolloutsPage } from './pages/rollouts/lazy-rollouts';
import { rolloutsSearch } from './pages/rollouts/search';
import { StorePage } from './pages/store/store-page';
import { storesSearch } from './pages/stores/search';
import { StoresPage } from './pages/stores/stores-page';
import { tokensSearch } from './pages/tokens/search';
import { requestTitleFocus } from './ui/page-title';

// Pages are in the first download or, if they are large or not for everyone, loaded right after it: a page that was never opened must also open while
// the server is down.
const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: PageError });

const overview = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: overviewSearch,
  component: OverviewPage,
});
const stores = createRoute({
  getParentRoute: () => root,
  path: '/stores',
  validateSearch: storesSearch,
  component: StoresPage,
});
const store = createRoute({
  getParentRoute: () => root,
  path: '/stores/$storeId',
  validateSearch: (search): { uid?: string } => (typeof search.uid === 'string' ? { uid: search.uid } : {}),
  component: StorePage,
});
const create = createRoute({ getParentRoute: () => root, path: '/create', component: CreatePage });
const backups = createRoute({
  getParentRoute: () => root,
  path: '/backups',
  validateSearch: backupsSearch,
  component: LazyBackupsPage,
});
const rollouts = createRoute({
  getParentRoute: () => root,
  path: '/rollouts',
  validateSearch: rolloutsSearch,
  component: LazyRolloutsPage,
});
const rollout = createRoute({ getParentRoute: () => root, path: '/rollouts/$rolloutId', component: LazyRolloutPage });
const activity = createRoute({
  getParentRoute: () => root,
  path: '/activity',
  validateSearch: activitySearch,
  component: ActivityPage,
});

const releases = createRoute({
  getParentRoute: () => root,
  path: '/releases',
  validateSearch: releasesSearch,
  component: LazyReleasesPage,
});

const tenants = createRoute({ getParentRoute: () => root, path: '/tenants', component: LazyTenantsPage });

const tokens = createRoute({
  getParentRoute: () => root,
  path: '/tokens',
  validateSearch: tokensSearch,
  component: LazyTokensPage,
});

const routeTree = root.addChildren([
  overview,
  stores,
  store,
  create,
  backups,
  rollouts,
  rollout,
  activity,
  releases,
  tenants,
  tokens,
]);

export function createAppRouter() {
  const router = createRouter({ routeTree, scrollRestoration: true, defaultErrorComponent: PageError });
  router.subscribe('onBeforeLoad', ({ fromLocation, toLocation }) => {
    if (fromLocation && fromLocation.pathname !== toLocation.pathname) requestTitleFocus();
  });
  return router;
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
