import { isCertificateRefused } from '../certificate.errors.js';
import { ConsistentError } from '../errors.js';

/** What the command's end means to a script. */
export const ExitCode = {
  /** Done, and nothing was found. */
  fine: 0,
  /** Done, and something was found: differences, findings, parked rows, statements to run. */
  found: 1,
  /** The command line, the application or its options cannot be used. */
  usage: 2,
  /** MySQL or Elasticsearch cannot be reached, or refuses the user. */
  unreachable: 3,
  /** The command could not be done now; the message says why. */
  refused: 4,
  /** A fault of this program, or an error that it does not know. */
  internal: 70,
  /** Ctrl-C. */
  interrupted: 130,
  /** SIGTERM. */
  terminated: 143,
} as const;

const USAGE = new Set(['INVALID_OPTIONS', 'INVALID_GTID_SET']);
const UNREACHABLE = new Set([
  'INDEX_UNAVAILABLE',
  'INDEX_ACCESS',
  'STATEMENT_TIMEOUT',
  'BINLOG_ACCESS',
  'BINLOG_CONNECTION',
]);
const NETWORK_CODE = /^(?:E(?:CONN|HOST|NET|ADDR|PIPE|TIMEDOUT|NOTFOUND|AI_)\w*|(?:PROTOCOL|HANDSHAKE)_\w+)$/;
/** Unknown database, wrong user or password, rights that are missing, and a connection without TLS where MySQL wants it. */
const ACCESS_ERRNOS = new Set([1044, 1045, 1049, 1142, 1143, 1227, 1698, 3159]);
const CLIENT_ERRORS = new Set(['ConnectionError', 'TimeoutError', 'NoLivingConnectionsError']);
const REFUSED_STATUS = new Set([401, 403]);

/** Which code an error ends the command with. Causes count too: clients wrap what the network said. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ConsistentError && USAGE.has(error.code)) return ExitCode.usage;
  if (isCertificateRefused(error)) return ExitCode.unreachable;
  for (let one = error, depth = 0; one && depth < 5; one = causeOf(one), depth++) {
    if (isUnreachable(one)) return ExitCode.unreachable;
  }
  return error instanceof ConsistentError ? ExitCode.refused : ExitCode.internal;
}

function causeOf(error: unknown): unknown {
  const { cause, driverError } = error as { cause?: unknown; driverError?: unknown };
  return cause ?? driverError;
}

function isUnreachable(error: unknown): boolean {
  const { code, errno, name, meta } = error as {
    code?: unknown;
    errno?: unknown;
    name?: string;
    meta?: { statusCode?: number };
  };
  if (typeof code === 'string' && (UNREACHABLE.has(code) || NETWORK_CODE.test(code))) return true;
  if (ACCESS_ERRNOS.has(Number(errno))) return true;
  return CLIENT_ERRORS.has(name ?? '') || REFUSED_STATUS.has(meta?.statusCode ?? 0);
}
