import { StatementTimeoutError } from '../errors.js';

/**
 * What a MySQL error says about the statement that met it. TypeORM wraps driver errors; both shapes are read.
 * `refused`: the data or a constraint is at fault, the same statement fails again. `transient`: deadlock, lock wait,
 * server restarting. `lost`: the connection broke, the statement may have been carried out.
 */
export type MysqlFailure = 'refused' | 'transient' | 'lost';

interface DriverError {
  code?: string;
  errno?: number;
  sqlState?: string;
  fatal?: boolean;
}

export const ER_DUP_ENTRY = 1062;
const NETWORK_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'PROTOCOL_CONNECTION_LOST']);
const ER_LOCK_DEADLOCK = 1213;
/** SQLSTATE classes: data exception, integrity constraint violation, SIGNAL by a trigger. */
const REFUSED_CLASSES = new Set(['21', '22', '23', '45']);
/** Errors of the same nature that MySQL reports as HY000, or (1265, data truncated) as a warning that strict mode raised. */
const REFUSED_ERRNOS = new Set([1265, 1364, 1366, 1105, 3140, 3141, 3819, 4025]);

export function driverErrorOf(error: unknown): DriverError {
  const wrapped = error as { driverError?: DriverError } & DriverError;
  return wrapped?.driverError ?? wrapped ?? {};
}

export function errnoOf(error: unknown): number | undefined {
  return driverErrorOf(error).errno;
}

export function isDuplicateKey(error: unknown): boolean {
  return errnoOf(error) === ER_DUP_ENTRY;
}

export function isDeadlock(error: unknown): boolean {
  return errnoOf(error) === ER_LOCK_DEADLOCK;
}

/** True when MySQL itself answered with an error; false when the connection broke before an answer came. */
export function isServerAnswer(error: unknown): boolean {
  const { errno, sqlState, fatal } = driverErrorOf(error);
  return sqlState !== undefined && errno !== undefined && errno >= 1000 && !fatal;
}

/** For errors of a QueryRunner's `query`: true when MySQL was given nothing, because there was no connection to give it on. */
export function isNeverSent(error: unknown): boolean {
  if (error instanceof StatementTimeoutError) return error.data['statement'] === null;
  const { driverError } = error as { driverError?: Error };
  return !driverError || driverError.message.startsWith("Can't add new command when connection is in closed state");
}

/** True when the driver says that the connection broke, or could not be made. */
export function isConnectionLost(error: unknown): boolean {
  const { fatal, code } = driverErrorOf(error);
  return !isServerAnswer(error) && (fatal === true || NETWORK_CODES.has(code ?? ''));
}

export function classifyMysqlError(error: unknown): MysqlFailure {
  if (!isServerAnswer(error)) return 'lost';
  const { sqlState, errno } = driverErrorOf(error);
  return REFUSED_CLASSES.has(sqlState!.slice(0, 2)) || REFUSED_ERRNOS.has(errno!) ? 'refused' : 'transient';
}
