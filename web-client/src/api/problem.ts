import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, ErrorInfoSchema, ResourceInfoSchema } from '@/gen/google/rpc/error_details_pb';

/** An error as people and forms need it. */
export interface Problem {
  code: Code;
  /** Stable word of the server, for example `NOT_FOUND`; empty if it did not come from the server. */
  reason: string;
  message: string;
  /** What is wrong with which field of the request. */
  violations: Map<string, string>;
}

export function problem(error: unknown): Problem {
  const failure = ConnectError.from(error);
  const reason = failure.findDetails(ErrorInfoSchema)[0]?.reason ?? '';
  return { code: failure.code, reason, message: message(failure, reason), violations: violations(failure) };
}

function message(failure: ConnectError, reason: string): string {
  if (reason) return sentence(failure.rawMessage);
  if (failure.code === Code.DeadlineExceeded) return 'The server did not answer in time.';
  if (isUnreachable(failure)) return 'The server cannot be reached.';
  return sentence(failure.rawMessage || 'Something went wrong.');
}

function violations(failure: ConnectError): Map<string, string> {
  const found = new Map<string, string>();
  for (const { fieldViolations } of failure.findDetails(BadRequestSchema)) {
    for (const { field, description } of fieldViolations) {
      const before = found.get(field);
      found.set(field, before ? `${before}; ${description}` : description);
    }
  }
  // A name that is taken is a matter of the field that asks for it.
  const resource = failure.findDetails(ResourceInfoSchema)[0];
  if (failure.code === Code.AlreadyExists && resource) found.set('store_id', 'is taken');
  return found;
}

/** True if nobody at the server has seen the request, or none could answer. */
function isUnreachable(failure: ConnectError): boolean {
  return failure.code === Code.Unavailable || failure.cause instanceof TypeError;
}

/** True if the same call may succeed a moment later. */
export function isPassing(error: unknown): boolean {
  const failure = ConnectError.from(error);
  return isUnreachable(failure) || failure.code === Code.DeadlineExceeded || failure.code === Code.Aborted;
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}
