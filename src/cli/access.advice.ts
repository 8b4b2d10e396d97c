import { isCertificateRefused } from '../certificate.errors.js';

const MAX_CAUSES = 5;
const ER_SECURE_TRANSPORT_REQUIRED = 3159;
/** MySQL speaks no TLS, or what answers is no MySQL. */
const NO_TLS = 'HANDSHAKE_NO_SSL_SUPPORT';

/** What mends an error that came from a server's door: its certificate, a key, a password. Null for all others. */
export function adviceFor(error: unknown): string | null {
  if (isCertificateRefused(error)) {
    return (
      "The server's certificate is not trusted. Give the CA that signed it: --mysql-ca or --elasticsearch-ca with URLs; " +
      "with an application its DataSource's ssl.ca, or elasticsearch.tls.ca."
    );
  }
  for (let one = error, depth = 0; one && depth <= MAX_CAUSES; depth++) {
    const { errno, code, meta, cause, driverError } = one as {
      errno?: unknown;
      code?: unknown;
      meta?: { statusCode?: number };
      cause?: unknown;
      driverError?: unknown;
    };
    if (meta?.statusCode === 401)
      return 'Elasticsearch does not know the API key or user, or it has expired or was revoked.';
    if (meta?.statusCode === 403)
      return 'The API key or user lacks a privilege; docs/operations.md lists what is needed.';
    if (errno === ER_SECURE_TRANSPORT_REQUIRED)
      return 'This MySQL wants TLS: give --mysql-ca, or ssl in the DataSource.';
    if (code === NO_TLS) return 'This MySQL speaks no TLS: leave --mysql-ca, or ssl in the DataSource, out.';
    one = cause ?? driverError;
  }
  return null;
}
