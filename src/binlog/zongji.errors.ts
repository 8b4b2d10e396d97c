import { isCertificateRefused } from '../certificate.errors.js';
import { BinlogAccessError, BinlogPositionLostError, ConsistentError, DuplicateServerIdError } from '../errors.js';

interface ServerError {
  readonly errno?: number;
  readonly code?: string;
  readonly message?: string;
}

/** ER_SOURCE_FATAL_ERROR_READING_BINLOG: one number for a dozen causes, told apart by their text. */
const FATAL_READING_BINLOG = 1236;
/** Access denied, for the server, a database or for want of a privilege; unknown database; password expired; locked; no TLS. */
const REFUSED = new Set([1044, 1045, 1049, 1142, 1227, 1698, 1820, 1862, 3118, 3159]);
const SAME_IDENTITY = /same server_uuid\/server_id/i;
const PURGED = /purged|could not find first log file/i;
const AHEAD = /more GTIDs than the (?:source|master)/i;
const NO_SUCH_POSITION = /impossible position|position > file size|bogus data in log event|log event entry exceeded/i;

/** The error that no reconnect can help against, or null when one may. */
export function finalError(error: unknown): ConsistentError | null {
  if (error instanceof ConsistentError) return error.retryable ? null : error;
  const { errno, message = '', code } = (error ?? {}) as ServerError;
  if (errno === FATAL_READING_BINLOG || SAME_IDENTITY.test(message)) return fatalReading(message, error);
  if (isCertificateRefused(error)) {
    return new BinlogAccessError(
      `MySQL's certificate is not trusted: ${message}. Give the CA that signed it in \`ssl.ca\` of the connection that reads the binary log.`,
      { code },
      error,
    );
  }
  if (errno !== undefined && REFUSED.has(errno)) {
    return new BinlogAccessError(
      `MySQL refuses the user that reads the binary log: ${message}. Check user and password, \`ssl\` of the connection where the ` +
        'user may only come with TLS, and: GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO <user>;',
      { errno },
      error,
    );
  }
  if (code === 'HANDSHAKE_NO_SSL_SUPPORT' || code === 'AUTH_SWITCH_PLUGIN_ERROR') {
    return new BinlogAccessError(
      `MySQL cannot be logged in to: ${message}. Change the connection's ssl option or the user's plugin.`,
      { code },
      error,
    );
  }
  return null;
}

function fatalReading(message: string, cause: unknown): ConsistentError | null {
  if (SAME_IDENTITY.test(message)) {
    return new DuplicateServerIdError(
      'Another client reads the binary log with the same server id. Give each instance a `serverId` of its own.',
      {},
      cause,
    );
  }
  const lost = (reason: string, text: string): ConsistentError =>
    new BinlogPositionLostError(
      `${text} MySQL says: ${message}. Verify the tables and start from now; to prevent it, raise binlog_expire_logs_seconds.`,
      { reason },
      cause,
    );
  if (AHEAD.test(message)) return lost('ahead', 'The position has transactions that this server does not have.');
  if (PURGED.test(message)) return lost('purged', 'The binary log after the position was purged.');
  if (NO_SUCH_POSITION.test(message)) return lost('no-such-position', 'The binary log has no such position.');
  return null;
}
