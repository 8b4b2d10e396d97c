import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnection, type Connection } from 'mysql2/promise';
import { preflight, requirePreflight } from '../../../src/binlog/binlog.preflight.js';
import type { SqlQuery } from '../../../src/mysql/table.introspection.js';
import { silentReporter } from '../../../tools/servers/progress.reporter.mjs';
import type { Server } from '../../../tools/servers/server.types.mjs';
import { startMysql } from '../../../tools/servers/servers.mjs';

let server: Server;
let root: Connection;
const connections: Connection[] = [];

const queryOn =
  (connection: Connection): SqlQuery =>
  async (sql, values) =>
    (await connection.query<any[]>(sql, values))[0];

async function connect(user?: string): Promise<Connection> {
  const url = new URL(server.url);
  if (user) [url.username, url.password] = [user, 'secret'];
  const connection = await createConnection({ uri: url.href, ssl: { rejectUnauthorized: false } });
  connections.push(connection);
  return connection;
}

/** Runs each statement of a fix, as a person would. */
async function mend(fix: string): Promise<void> {
  for (const statement of fix.split(';').filter((part) => part.trim() !== '')) await root.query(statement);
}

beforeAll(async () => {
  server = await startMysql({ reporter: silentReporter });
  root = await connect();
});

afterEach(async () => {
  await root.query('RESET PERSIST');
});

afterAll(async () => {
  for (const connection of connections) await connection.end();
  await server.remove();
});

describe('preflight', () => {
  it('finds nothing on a server that is set up as the documentation says', async () => {
    expect(await preflight(queryOn(root), { serverId: 4_000_000_000 })).toEqual([]);
    await expect(requirePreflight(queryOn(root))).resolves.toEqual([]);
  });

  it.each([
    ['binlog_format', 'STATEMENT', 'ROW', 'error'],
    ['binlog_row_image', 'MINIMAL', 'FULL', 'error'],
    ['binlog_row_image', 'NOBLOB', 'FULL', 'error'],
    ['binlog_row_metadata', 'MINIMAL', 'FULL', 'error'],
    ['binlog_row_value_options', 'PARTIAL_JSON', "''", 'error'],
    ['gtid_mode', 'ON_PERMISSIVE', 'ON', 'error'],
    ['binlog_transaction_compression', 'ON', 'OFF', 'warning'],
    ['binlog_expire_logs_seconds', '3600', 'at least 172800', 'warning'],
  ])('finds %s = %s, and its statement mends it', async (setting, found, wanted, severity) => {
    await root.query(`SET GLOBAL ${setting} = '${found}'`.replace(`'3600'`, '3600'));
    const findings = await preflight(queryOn(root));
    expect(findings).toEqual([{ setting, found, wanted, severity, fix: expect.stringContaining(setting) }]);
    await mend(findings[0]!.fix);
    expect(await preflight(queryOn(root))).toEqual([]);
  });

  it('finds GTIDs switched off, and leads there step by step', async () => {
    for (const mode of ['ON_PERMISSIVE', 'OFF_PERMISSIVE', 'OFF']) await root.query(`SET GLOBAL gtid_mode = ${mode}`);
    await root.query('SET GLOBAL enforce_gtid_consistency = OFF');
    const findings = await preflight(queryOn(root));
    expect(findings.map(({ setting, found }) => [setting, found])).toEqual([
      ['gtid_mode', 'OFF'],
      ['enforce_gtid_consistency', 'OFF'],
    ]);
    for (const { fix } of findings) await mend(fix);
    expect(await preflight(queryOn(root))).toEqual([]);
  });

  it('lists everything at once, errors first, in one error', async () => {
    await root.query(
      `SET GLOBAL binlog_transaction_compression = ON, GLOBAL binlog_row_image = 'MINIMAL', GLOBAL binlog_row_metadata = 'MINIMAL'`,
    );
    const error = await requirePreflight(queryOn(root)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'BINLOG_PREFLIGHT', retryable: false });
    const { message, data } = error as { message: string; data: { findings: { setting: string; fix: string }[] } };
    expect(data.findings.map(({ setting }) => setting)).toEqual([
      'binlog_row_image',
      'binlog_row_metadata',
      'binlog_transaction_compression',
    ]);
    expect(message).toContain('SET PERSIST binlog_row_image = FULL;');
    expect(message).toContain('SET PERSIST binlog_row_metadata = FULL;');
    for (const { fix } of data.findings) await mend(fix);
  });

  it('lets a user pass that may do no more than it needs, and names the rights that another one lacks', async () => {
    await root.query(`CREATE USER enough IDENTIFIED BY 'secret'`);
    await root.query('GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO enough');
    const enough = queryOn(await connect('enough'));
    expect(await preflight(enough, { serverId: 4_000_000_000 })).toEqual([]);

    await root.query(`CREATE USER lacking IDENTIFIED BY 'secret'`);
    await root.query('GRANT SELECT ON *.* TO lacking');
    const lacking = queryOn(await connect('lacking'));
    const findings = await preflight(lacking, { serverId: 4_000_000_000 });
    expect(findings.map(({ wanted }) => wanted)).toEqual(['REPLICATION CLIENT', 'REPLICATION SLAVE']);
    for (const { fix } of findings) await mend(fix);
    expect(await preflight(queryOn(await connect('lacking')))).toEqual([]);
  });

  it('finds a server id that is taken or impossible', async () => {
    const settings = async (serverId: number) =>
      (await preflight(queryOn(root), { serverId })).map(({ setting, severity }) => [setting, severity]);
    const [[row]] = await root.query<any[]>('SELECT @@server_id AS id');
    expect(await settings(Number(row.id))).toEqual([['serverId', 'error']]);
    for (const impossible of [0, -1, 1.5, 2 ** 32]) {
      expect(await settings(impossible)).toEqual([['serverId', 'error']]);
    }
  });
});

describe('preflight of a server without a binary log', () => {
  it('says how to start it with one', async () => {
    const plain = await startMysql({ reporter: silentReporter, settings: ['--skip-log-bin'] });
    const connection = await createConnection({ uri: plain.url });
    try {
      const findings = await preflight(queryOn(connection));
      expect(findings[0]).toMatchObject({ setting: 'log_bin', found: 'OFF', fix: expect.stringContaining('log-bin') });
    } finally {
      await connection.end();
      await plain.remove();
    }
  });
});
