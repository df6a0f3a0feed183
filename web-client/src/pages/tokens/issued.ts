import type { Token } from '@/gen/storeplane/v1/token_service_pb';

/**
 * A secret that can be forgotten. React, closures and caches go on referring to what was rendered before: to this object,
 * and not to the text.
 */
export class OneTimeSecret {
  #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  forget(): void {
    this.#text = '';
  }
}

/** A token with its new secret. */
export interface Issued {
  token: Token | undefined;
  secret: OneTimeSecret;
}

/** What CreateToken and RotateToken return. */
export async function issued(response: Promise<{ token?: Token; secret: string }>): Promise<Issued> {
  const { token, secret } = await response;
  return { token, secret: new OneTimeSecret(secret) };
}
