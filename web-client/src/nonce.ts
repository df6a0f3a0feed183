import { setNonce } from 'get-nonce';

/** The nonce that the server gave this page: style elements that are made at run time need it. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';

if (nonce) setNonce(nonce);
