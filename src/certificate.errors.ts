/** Why a certificate is not accepted. All of it is checked before the first byte of a request is written. */
export const CERTIFICATE_CODES: readonly string[] = [
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'INVALID_CA',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
];

/** The messages of those errors, where the client dropped the code. */
export const CERTIFICATE_MESSAGES: readonly RegExp[] = [
  /^Hostname\/IP does not match certificate's altnames/,
  /^(self[- ]signed certificate|unable to (verify the first|get local issuer|get issuer) certificate)/,
  /^certificate (has expired|is not yet valid|signature failure|revoked|not trusted|rejected)/,
];

const MAX_CAUSES = 5;

/** Whether a connection was given up because of the server's certificate: waiting does not help, a person must act. */
export function isCertificateRefused(error: unknown): boolean {
  for (let one = error, depth = 0; one && depth <= MAX_CAUSES; depth++) {
    const { code, message, cause } = one as { code?: unknown; message?: unknown; cause?: unknown };
    if (typeof code === 'string' && CERTIFICATE_CODES.includes(code)) return true;
    if (typeof message === 'string' && CERTIFICATE_MESSAGES.some((pattern) => pattern.test(message))) return true;
    one = cause;
  }
  return false;
}
