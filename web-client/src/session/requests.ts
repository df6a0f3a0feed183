/** Requests to the server's `/auth/…`, which set and remove the session's cookie. */

/** Who is, or would be, signed in. */
export interface SignedIn {
  name: string;
  role: string;
  tenant: string;
}

/** Why the server refused. */
export class SignInError extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

export type Credentials = { token: string } | { code: string };

/** As whom a one-time code would sign in. */
export const readCode = (code: string): Promise<SignedIn> => post('/auth/code', { code }) as Promise<SignedIn>;

/** Signs in. Replaces a session only if that is requested. */
export const signIn = (credentials: Credentials, replace: boolean): Promise<SignedIn> =>
  post('/auth/session', { ...credentials, replace }) as Promise<SignedIn>;

export const signOut = (): Promise<unknown> => post('/auth/logout', {});

/** The identity provider's name, if it can be used. */
export async function readProvider(): Promise<string | null> {
  const response = await fetch('/auth/methods');
  if (!response.ok) throw new SignInError('UNAVAILABLE', `the server responded with ${response.status}`);
  const { provider } = (await response.json()) as { provider: string | null };
  return provider;
}

/** Where signing in with the identity provider begins; it ends at this page again. */
export function providerUrl({ pathname, search }: Location): string {
  return `/auth/login?return_to=${encodeURIComponent(pathname + search)}`;
}

async function post(path: string, body: object): Promise<unknown> {
  let response: Response;
  try {
    const headers = { 'content-type': 'application/json' };
    response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  } catch {
    throw new SignInError('UNAVAILABLE', 'the server does not respond');
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = (await response.json().catch(() => null)) as { reason: string; message: string } | null;
  throw new SignInError(
    problem?.reason ?? 'UNKNOWN',
    problem?.message ?? `the server responded with ${response.status}`,
  );
}
