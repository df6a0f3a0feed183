import { setNonce } from 'get-nonce';

/** The Content-Security-Policy nonce of this page; style elements that are created at run time need it. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';

if (nonce) setNonce(nonce);
