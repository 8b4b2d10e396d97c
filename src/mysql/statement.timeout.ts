import type { DataSource, QueryRunner } from 'typeorm';
import { StatementTimeoutError } from '../errors.js';
import { endOnServer } from './abandoned.connections.js';
import { within } from './time.watch.js';

/** What is used of the driver's connection. */
interface DriverConnection {
  destroy(): void;
  readonly threadId?: number | null;
  readonly stream?: { destroy(): void; readonly localPort?: number };
}

type Query = (sql: string, parameters?: unknown, structured?: unknown) => Promise<any>;

interface Limits {
  /** For a free connection. */
  readonly connectMs: number;
  /** For one statement. */
  readonly statementMs: number;
}

const limits = new WeakMap<DataSource, number>();

/** From now on every statement that the library sends through this DataSource has this limit. */
export function limitStatements(dataSource: DataSource, statementTimeoutMs: number): void {
  limits.set(dataSource, statementTimeoutMs);
}

/**
 * A connection to the primary for several statements, each with the limit (`timeoutMs`, where it is shorter; a free
 * connection is waited for as long as ever). Whoever takes it releases it.
 */
export function primaryRunner(dataSource: DataSource, timeoutMs = Infinity): QueryRunner {
  const connectMs = limits.get(dataSource) ?? Infinity;
  const statementMs = Math.min(timeoutMs, connectMs);
  return limited(dataSource.createQueryRunner('master'), { connectMs, statementMs });
}

/** One statement on the primary, with the limit. */
export async function queryPrimary(
  dataSource: DataSource,
  sql: string,
  parameters?: any[],
  timeoutMs?: number,
): Promise<any> {
  const runner = primaryRunner(dataSource, timeoutMs);
  try {
    return await runner.query(sql, parameters);
  } finally {
    await runner.release();
  }
}

/** Gives a runner that was taken otherwise the limit of its DataSource, from here on. */
export function limitRunner(runner: QueryRunner): QueryRunner {
  const limitMs = limits.get(runner.dataSource) ?? Infinity;
  return limited(runner, { connectMs: limitMs, statementMs: limitMs });
}

/**
 * Nothing in MySQL's protocol or its drivers ends the wait for an answer that never comes. Here a timer does. The
 * connection is closed then and goes to nobody else: the answer may still be on its way, and would be taken for another's.
 */
function limited(runner: QueryRunner, { connectMs, statementMs }: Limits, tells = true): QueryRunner {
  if (statementMs === Infinity) return runner;
  const connect = runner.connect.bind(runner) as () => Promise<unknown>;
  const query = runner.query.bind(runner) as Query;
  let ended: StatementTimeoutError | undefined;
  let connected: Promise<unknown> | undefined;
  let there = false;
  const end = (timeoutMs: number, sent: string | null): never => {
    ended = timedOut(timeoutMs, sent);
    if (sent !== null) {
      if (tells) tellServer(runner, connectMs);
      discardConnection(runner);
    }
    throw ended;
  };
  const arrived = (): void => {
    there = true;
  };
  // By itself: what waits for a free connection was not sent, and must not be sent once nobody waits any more.
  const open = (): Promise<unknown> => {
    const opened = connect();
    opened.then(arrived, arrived);
    return within(opened, connectMs, () => end(connectMs, null));
  };
  const send: Query = (sql, parameters, structured) => {
    if (ended) return Promise.reject(ended);
    return within(query(sql, parameters, structured), statementMs, () => end(statementMs, sql));
  };
  // No async function: a lone read of a row by its key would be the slower for each promise.
  runner.query = (sql: string, parameters?: unknown, structured?: unknown) => {
    if (there || ended) return send(sql, parameters, structured);
    return (connected ??= open()).then(() => send(sql, parameters, structured));
  };
  const release = runner.release.bind(runner);
  runner.release = async () => {
    await release();
    // One that comes too late is as good as any: were it thrown away, a pool whose connections take long would never fill.
    if (connected && !there) void connect().then(release, () => undefined);
  };
  return runner;
}

/** On another connection of the primary's pool; what that one meets is nobody's business. */
function tellServer(runner: QueryRunner, timeoutMs: number): void {
  if (runner.getReplicationMode() === 'slave') return;
  const { dataSource } = runner;
  const tell = ({ threadId, stream }: DriverConnection): void => {
    const localPort = stream?.localPort;
    if (threadId == null || localPort === undefined) return;
    endOnServer(dataSource, { threadId, localPort }, async (sql, parameters) => {
      const other = limited(
        dataSource.createQueryRunner('master'),
        { connectMs: timeoutMs, statementMs: timeoutMs },
        false,
      );
      try {
        return (await other.query(sql, parameters)) as unknown;
      } finally {
        await other.release();
      }
    });
  };
  void (runner.connect() as Promise<DriverConnection>).then(tell, () => undefined);
}

/** Closes the runner's connection, or the one that it is waiting for once that is there. */
export function discardConnection(runner: QueryRunner): void {
  void (runner.connect() as Promise<DriverConnection>).then(
    (connection) => {
      connection.destroy();
      // The driver only says good-bye, to which a silent peer never answers.
      connection.stream?.destroy();
    },
    () => undefined,
  );
}

const VERB = /^\s*(\w+(?:\s+TRANSACTION)?)/;

function timedOut(timeoutMs: number, sent: string | null): StatementTimeoutError {
  const statement = sent === null ? null : (VERB.exec(sent)?.[1]?.toUpperCase() ?? 'statement');
  const what =
    statement === null
      ? `No connection to MySQL was to be had within ${timeoutMs} ms: the pool is used up, or the server cannot be reached.`
      : `MySQL did not answer a ${statement} within ${timeoutMs} ms: the network or the server is silent, or somebody else ` +
        'holds a lock that it needs. The connection was closed.';
  return new StatementTimeoutError(
    `${what} Try again. If healthy statements of yours take that long, raise statementTimeoutMs.`,
    { timeoutMs, statement },
  );
}
