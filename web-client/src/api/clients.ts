import { type Client, Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { AuditService } from '@/gen/storeplane/v1/audit_pb';
import { BackupService } from '@/gen/storeplane/v1/backup_service_pb';
import { OperationService } from '@/gen/storeplane/v1/operation_pb';
import { PlatformService } from '@/gen/storeplane/v1/platform_pb';
import { RolloutService } from '@/gen/storeplane/v1/rollout_service_pb';
import { SessionService } from '@/gen/storeplane/v1/session_service_pb';
import { StoreService } from '@/gen/storeplane/v1/store_service_pb';
import { TenantService } from '@/gen/storeplane/v1/tenant_service_pb';
import { TokenService } from '@/gen/storeplane/v1/token_service_pb';
import { session } from '@/session/session';
import { observeServerTime } from './server-clock';
import { traceparent } from './traceparent';

export interface Clients {
  stores: Client<typeof StoreService>;
  backups: Client<typeof BackupService>;
  rollouts: Client<typeof RolloutService>;
  operations: Client<typeof OperationService>;
  platform: Client<typeof PlatformService>;
  audit: Client<typeof AuditService>;
  tenants: Client<typeof TenantService>;
  tokens: Client<typeof TokenService>;
  sessions: Client<typeof SessionService>;
}

/** Deadline of a call. Watches pass 0: no deadline. */
const CALL_TIMEOUT_MS = 15_000;

export function createClients(transport: Transport): Clients {
  return {
    stores: createClient(StoreService, transport),
    backups: createClient(BackupService, transport),
    rollouts: createClient(RolloutService, transport),
    operations: createClient(OperationService, transport),
    platform: createClient(PlatformService, transport),
    audit: createClient(AuditService, transport),
    tenants: createClient(TenantService, transport),
    tokens: createClient(TokenService, transport),
    sessions: createClient(SessionService, transport),
  };
}

/** Ends the session when the server rejects it, and reads the server's clock. The browser sends the session's cookie. */
export const authentication: Interceptor = (next) => async (request) => {
  const generation = session.generation();
  try {
    const response = await next(request);
    const date = response.header.get('date');
    // The header has whole seconds: half of one is the expected rest.
    if (date) observeServerTime(Date.parse(date) + 500);
    return response;
  } catch (error) {
    if (ConnectError.from(error).code === Code.Unauthenticated) session.expire(generation);
    throw error;
  }
};

/** Begins a trace for each call (W3C Trace Context): what the server does for it can then be found in the collector. */
export const tracing: Interceptor = (next) => (request) => {
  if (!request.header.has('traceparent')) request.header.set('traceparent', traceparent());
  return next(request);
};

/** Calls the server that this page was loaded from. */
export function serverTransport(): Transport {
  return createGrpcWebTransport({
    baseUrl: window.location.origin,
    interceptors: [authentication, tracing],
    defaultTimeoutMs: CALL_TIMEOUT_MS,
  });
}
