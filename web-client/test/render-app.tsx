import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type ConnectError, createRouterTransport, type ServiceImpl } from '@connectrpc/connect';
import { render } from '@testing-library/react';
import { createQueryClient } from '@/api/api';
import { App, Providers } from '@/app';
import { AuditService } from '@/gen/storeplane/v1/audit_pb';
import { BackupService } from '@/gen/storeplane/v1/backup_service_pb';
import { OperationService } from '@/gen/storeplane/v1/operation_pb';
import { OverviewSchema, PlatformService } from '@/gen/storeplane/v1/platform_pb';
import { RolloutService } from '@/gen/storeplane/v1/rollout_service_pb';
import { SessionService } from '@/gen/storeplane/v1/session_service_pb';
import { StoreService, type WatchStoresResponseSchema } from '@/gen/storeplane/v1/store_service_pb';
import { TenantService } from '@/gen/storeplane/v1/tenant_service_pb';
import { TokenService } from '@/gen/storeplane/v1/token_service_pb';
import { createAppRouter } from '@/router';
import { session } from '@/session/session';

type Message = MessageInitShape<typeof WatchStoresResponseSchema>;

/** The server's side of a stream: a test sends messages through it, and ends it. */
export class FakeStream<T> {
  #pending: T[];
  #wake = () => {};
  #error: ConnectError | undefined;

  constructor(...first: T[]) {
    this.#pending = first;
  }

  send(...messages: T[]): void {
    this.#pending.push(...messages);
    this.#wake();
  }

  /** Ends the stream that is open. */
  fail(error: ConnectError): void {
    this.#error = error;
    this.#wake();
  }

  async *stream(signal: AbortSignal): AsyncGenerator<T> {
    while (!signal.aborted) {
      if (this.#error) {
        const error = this.#error;
        this.#error = undefined;
        throw error;
      }
      yield* this.#pending.splice(0);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve());
      });
    }
  }
}

/** The server's side of the page's watch: a test emits events through it. */
export class FakeWatch extends FakeStream<Message> {
  constructor() {
    super({ update: { case: 'caughtUp', value: {} }, cursor: 'c0' });
  }

  emit(...events: NonNullable<Extract<Message['update'], { case: 'event' }>>['value'][]): void {
    this.send(...events.map((value): Message => ({ update: { case: 'event', value }, cursor: 'c' })));
  }
}

interface Setup {
  path?: string;
  role?: string;
  /** False: the page asks the server whether the browser is signed in. */
  signedIn?: boolean;
  /** The server's version, asked at each call. */
  version?: () => string;
  stores?: Partial<ServiceImpl<typeof StoreService>>;
  operations?: Partial<ServiceImpl<typeof OperationService>>;
  backups?: Partial<ServiceImpl<typeof BackupService>>;
  rollouts?: Partial<ServiceImpl<typeof RolloutService>>;
  audit?: Partial<ServiceImpl<typeof AuditService>>;
  platform?: Partial<ServiceImpl<typeof PlatformService>>;
  tenants?: Partial<ServiceImpl<typeof TenantService>>;
  tokens?: Partial<ServiceImpl<typeof TokenService>>;
  sessions?: Partial<ServiceImpl<typeof SessionService>>;
  overview?: Pick<
    MessageInitShape<typeof OverviewSchema>,
    | 'states'
    | 'backupOverdueCount'
    | 'driftedCount'
    | 'activeOperations'
    | 'activeOperationCount'
    | 'periods'
    | 'dependencies'
  >;
}

/** Time that the first render of a page may take on a busy machine. */
export const RENDERED = { timeout: 20_000 };

/** Renders the dashboard with a transport that answers as the test says. */
export function renderApp(setup: Setup) {
  const { path = '/', role = 'admin', version = () => '1', stores, operations, audit, platform, overview } = setup;
  const { backups, rollouts, tenants, tokens, sessions } = setup;
  const watch = new FakeWatch();
  const transport = createRouterTransport((router) => {
    router.service(PlatformService, {
      getOverview: () =>
        create(OverviewSchema, {
          caller: { name: 'ada', tenant: 'default', role },
          serverVersion: version(),
          ...overview,
        }),
      listEngines: () => ({
        engines: [
          {
            name: 'woocommerce',
            appVersion: '11.0.1',
            plans: [{ name: 'small', cpu: '1', memory: '1Gi', storage: '10Gi' }, { name: 'large' }],
            defaultPlan: 'small',
            versions: [
              { chartVersion: '0.2.0', appVersion: '11.1.0', securityRelease: true, notes: 'Fixes the checkout' },
              { chartVersion: '0.1.0', appVersion: '11.0.1', default: true },
            ],
          },
        ],
      }),
      ...platform,
    });
    router.service(OperationService, { listOperations: () => ({}), ...operations });
    router.service(BackupService, { listBackups: () => ({}), ...backups });
    router.service(RolloutService, { listRollouts: () => ({}), ...rollouts });
    router.service(TenantService, { listTenants: () => ({}), ...tenants });
    router.service(TokenService, { listTokens: () => ({}), ...tokens });
    router.service(SessionService, { listSessions: () => ({}), ...sessions });
    router.service(AuditService, { listAuditEvents: () => ({}), ...audit });
    router.service(StoreService, {
      watchStores: (_, { signal }) => watch.stream(signal),
      watchStore: async function* () {},
      listStores: () => ({}),
      listStoreRevisions: () => ({}),
      ...stores,
    });
  });
  window.history.replaceState(null, '', path);
  if (setup.signedIn ?? true) session.signedIn();
  const router = createAppRouter();
  const queryClient = createQueryClient();
  render(
    <Providers transport={transport} queryClient={queryClient}>
      <App router={router} />
    </Providers>,
  );
  return { watch, router, queryClient };
}
