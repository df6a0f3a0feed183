import { type Client, Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { AuditService } from '@/gen/storeplane/v1/audit_pb';
import { OperationService } from '@/gen/storeplane/v1/operation_pb';
import { PlatformService } from '@/gen/storeplane/v1/platform_pb';
import { StoreService } from '@/gen/storeplane/v1/store_service_pb';
import { session } from '@/session/session';

export interface Clients {
  stores: Client<typeof StoreService>;
  operations: Client<typeof OperationService>;
  platform: Client<typeof PlatformService>;
  audit: Client<typeof AuditService>;
}

/** How long a call may take. Watches say 0: as long as they are wanted. */
const CALL_TIMEOUT_MS = 15_000;

export function createClients(transport: Transport): Clients {
  return {
    stores: createClient(StoreService, transport),
    operations: createClient(OperationService, transport),
    platform: createClient(PlatformService, transport),
    audit: createClient(AuditService, transport),
  };
}

/** Sends the token, and ends the session when the server does not know it any more. */
export const authentication: Interceptor = (next) => async (request) => {
  if (request.header.has('authorization')) return next(request);
  const token = session.token();
  if (token) request.header.set('authorization', `Bearer ${token}`);
  try {
    return await next(request);
  } catch (error) {
    if (ConnectError.from(error).code === Code.Unauthenticated) session.expire(token);
    throw error;
  }
};

/** Calls to the server that this page came from. */
export function serverTransport(): Transport {
  return createGrpcWebTransport({
    baseUrl: window.location.origin,
    interceptors: [authentication],
    defaultTimeoutMs: CALL_TIMEOUT_MS,
  });
}
