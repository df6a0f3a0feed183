import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { createRouterTransport, type ServiceImpl } from '@connectrpc/connect';
import { render } from '@testing-library/react';
import { createQueryClient } from '@/api/api';
import { App, Providers } from '@/app';
import { OperationService } from '@/gen/storeplane/v1/operation_pb';
import { OverviewSchema, PlatformService } from '@/gen/storeplane/v1/platform_pb';
import { StoreService, type WatchStoresResponseSchema } from '@/gen/storeplane/v1/store_service_pb';
import { createAppRouter } from '@/router';
import { session } from '@/session/session';

type Told = MessageInitShape<typeof WatchStoresResponseSchema>;

/** The line to the page's watch: a test says through it what happens. */
export class Line {
  #waiting: Told[] = [{ update: { case: 'caughtUp', value: {} }, cursor: 'c0' }];
  #wake = () => {};

  tell(...events: NonNullable<Extract<Told['update'], { case: 'event' }>>['value'][]): void {
    for (const value of events) this.#waiting.push({ update: { case: 'event', value }, cursor: 'c' });
    this.#wake();
  }

  async *watch(signal: AbortSignal): AsyncGenerator<Told> {
    while (!signal.aborted) {
      yield* this.#waiting.splice(0);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve());
      });
    }
  }
}

interface Setup {
  path?: string;
  role?: string;
  /** Which server answers; a test may change its mind. */
  version?: () => string;
  stores?: Partial<ServiceImpl<typeof StoreService>>;
}

/** The whole page, over a server that answers as the test says. */
export function renderApp({ path = '/', role = 'admin', version = () => '1', stores = {} }: Setup) {
  const line = new Line();
  const transport = createRouterTransport((router) => {
    router.service(PlatformService, {
      getOverview: () =>
        create(OverviewSchema, { caller: { name: 'ada', tenant: 'default', role }, serverVersion: version() }),
      listEngines: () => ({ engines: [{ name: 'woocommerce', appVersion: '11.0.1', plans: ['small', 'large'] }] }),
    });
    router.service(OperationService, { listOperations: () => ({}) });
    router.service(StoreService, { watchStores: (_, { signal }) => line.watch(signal), ...stores });
  });
  window.history.replaceState(null, '', path);
  session.signIn('spt_test');
  const router = createAppRouter();
  render(
    <Providers transport={transport} queryClient={createQueryClient()}>
      <App router={router} />
    </Providers>,
  );
  return { line, router };
}
