import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { NotFound, PageError } from './layout/page-error';
import { Shell } from './layout/shell';
import { activitySearch } from './pages/activity/search';
import { overviewSearch } from './pages/overview/search';
import { storesSearch } from './pages/stores/search';

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: PageError });

const overview = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: overviewSearch,
  component: lazyRouteComponent(() => import('./pages/overview/overview-page'), 'OverviewPage'),
});
const stores = createRoute({
  getParentRoute: () => root,
  path: '/stores',
  validateSearch: storesSearch,
  component: lazyRouteComponent(() => import('./pages/stores/stores-page'), 'StoresPage'),
});
const store = createRoute({
  getParentRoute: () => root,
  path: '/stores/$storeId',
  validateSearch: (search): { uid?: string } => (typeof search.uid === 'string' ? { uid: search.uid } : {}),
  component: lazyRouteComponent(() => import('./pages/store/store-page'), 'StorePage'),
});
const create = createRoute({
  getParentRoute: () => root,
  path: '/create',
  component: lazyRouteComponent(() => import('./pages/create/create-page'), 'CreatePage'),
});
const activity = createRoute({
  getParentRoute: () => root,
  path: '/activity',
  validateSearch: activitySearch,
  component: lazyRouteComponent(() => import('./pages/activity/activity-page'), 'ActivityPage'),
});

const routeTree = root.addChildren([overview, stores, store, create, activity]);

export function createAppRouter() {
  return createRouter({
    routeTree,
    defaultPreload: 'intent',
    scrollRestoration: true,
    defaultErrorComponent: PageError,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
