import { Code, ConnectError } from '@connectrpc/connect';
import { sentence } from '@/format/words';
import { BadRequestSchema, ErrorInfoSchema } from '@/gen/google/rpc/error_details_pb';

/** An error in the form that pages and forms show. */
export interface Problem {
  code: Code;
  /** The server's stable reason, for example `STORE_NOT_FOUND`; empty if the error did not come from the server. */
  reason: string;
  message: string;
  /** What is wrong with each field of the request. */
  violations: Map<string, string>;
}

export function problem(error: unknown): Problem {
  const failure = ConnectError.from(error);
  const reason = failure.findDetails(ErrorInfoSchema)[0]?.reason ?? '';
  return { code: failure.code, reason, message: message(failure, reason), violations: violations(failure, reason) };
}

function message(failure: ConnectError, reason: string): string {
  if (failure.code === Code.Unimplemented) return "This server version doesn't support it.";
  if (reason) return sentence(failure.rawMessage);
  if (failure.code === Code.DeadlineExceeded) return 'The server did not respond in time.';
  if (isUnreachable(failure)) return "The server can't be reached.";
  return sentence(failure.rawMessage || 'Something went wrong.');
}

/** What is wrong with each field of a request that may have failed. */
export function violationsOf(error: unknown): Map<string, string> {
  return error ? problem(error).violations : new Map();
}

/** What is wrong with a field, or with one of its elements: `store_ids[1]` belongs to `store_ids`. */
export function violationOf(violations: Map<string, string>, field: string): string | undefined {
  const found = [...violations].filter(([path]) => path === field || path.startsWith(`${field}[`));
  return found.map(([, description]) => description).join('; ') || undefined;
}

/** Which field has a value that must be unique. */
const IN_USE: Record<string, [field: string, text: string]> = {
  STORE_ALREADY_EXISTS: ['store_id', 'this ID is already in use'],
  HOST_TAKEN: ['store_id', 'another store has the host name of this ID'],
  TENANT_ALREADY_EXISTS: ['tenant_id', 'this ID is already in use'],
  TOKEN_NAME_TAKEN: ['name', 'a valid token has this name'],
};

function violations(failure: ConnectError, reason: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const { fieldViolations } of failure.findDetails(BadRequestSchema)) {
    for (const { field, description } of fieldViolations) {
      const before = found.get(field);
      found.set(field, before ? `${before}; ${description}` : description);
    }
  }
  const inUse = IN_USE[reason];
  if (inUse) found.set(...inUse);
  return found;
}

/** True if the request did not reach the server, or the server could not answer it. */
function isUnreachable(failure: ConnectError): boolean {
  return failure.code === Code.Unavailable || failure.cause instanceof TypeError;
}

/** True if the same call may succeed a moment later. */
export function isTransient(error: unknown): boolean {
  const failure = ConnectError.from(error);
  return isUnreachable(failure) || failure.code === Code.DeadlineExceeded || failure.code === Code.Aborted;
}
