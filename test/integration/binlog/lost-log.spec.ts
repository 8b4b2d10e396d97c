import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { silentReporter } from '../../../tools/servers/progress.reporter.mjs';
import type { Server } from '../../../tools/servers/server.types.mjs';
import { startMysql } from '../../../tools/servers/servers.mjs';
import { product } from '../../support/product.js';
import { deleteIndices } from '../../support/servers.js';
import { until } from '../../support/faulty.js';
import { ReplicaServers } from '../../support/replica.servers.js';
import { BackstopFixture, type BackstopInstance, leading, productRow } from './backstop.fixture.js';

const START_MS = 300_000;

const insertOf = (id: number, title: string): string =>
  `INSERT INTO product (id, sku, title, revision) VALUES ${productRow(id, title)}`;

describe('a log that no longer has what comes next', () => {
  const { MYSQL_URL } = process.env;
  let server: Server;
  let fixture: BackstopFixture;
  let instance: BackstopInstance;
  const toVerify: string[] = [];

  beforeAll(async () => {
    server = await startMysql({ reporter: silentReporter });
    process.env['MYSQL_URL'] = server.url;
  }, START_MS);

  beforeEach(async () => {
    fixture = await BackstopFixture.create('lost-log');
    instance = await fixture.start();
    instance.backstop.events.on('backstopToVerify', ({ reason }) => toVerify.push(reason));
    for (const id of [1, 2, 3]) await instance.products.insert(product({ id: String(id), title: `title ${id}` }));
    await fixture.sql(insertOf(4, 'title 4'));
    await fixture.expectAgreement(instance);
    toVerify.length = 0;
  });

  afterEach(() => fixture?.close());

  afterAll(async () => {
    if (MYSQL_URL === undefined) delete process.env['MYSQL_URL'];
    else process.env['MYSQL_URL'] = MYSQL_URL;
    await server?.remove();
  }, START_MS);

  const unseen = async (): Promise<void> => {
    await fixture.sql(`UPDATE product SET title = 'changed unseen' WHERE id = 1`);
    await fixture.sql('DELETE FROM product WHERE id = 2');
    await fixture.sql(insertOf(5, 'inserted unseen'));
  };
  const begin = async (): Promise<void> => {
    instance.backstop.start();
    await leading(instance.backstop);
    await fixture.expectAgreement(instance);
  };
  /** From here on the log suffices again, and a restart begins at a place that it has. */
  const goesOn = async (): Promise<void> => {
    toVerify.length = 0;
    await fixture.sql(insertOf(9, 'after the gap'));
    await fixture.expectAgreement(instance);
    await instance.backstop.stop();
    await fixture.sql(`UPDATE product SET title = 'after a restart' WHERE id = 9`);
    await begin();
    expect((await fixture.documents())['9']).toBe('after a restart');
    expect(toVerify).toEqual([]);
    expect(instance.backstop.status()).toMatchObject({ degraded: false, toVerify: {} });
  };

  it('purged while the backstop was stopped: it says so, verifies, repairs, and goes on after the gap', async () => {
    await instance.backstop.stop();
    await unseen();
    await fixture.sql('FLUSH BINARY LOGS');
    await fixture.sql(insertOf(6, 'inserted after the purge'));
    const [status] = await fixture.sql('SHOW BINARY LOG STATUS');
    await fixture.sql(`PURGE BINARY LOGS TO '${status!['File'] as string}'`);
    await begin();
    expect(toVerify).toEqual([expect.stringMatching(/has purged transactions that were never seen: [0-9a-f-]{36}:/)]);
    expect(await fixture.documents()).toEqual({
      1: 'changed unseen',
      3: 'title 3',
      4: 'title 4',
      5: 'inserted unseen',
      6: 'inserted after the purge',
    });
    await goesOn();
  });

  it('purged after all of it was read: nothing is missing, and nothing is verified', async () => {
    await fixture.sql('FLUSH BINARY LOGS');
    await fixture.sql(insertOf(6, 'in the new file'));
    await fixture.expectAgreement(instance);
    const [status] = await fixture.sql('SHOW BINARY LOG STATUS');
    // Saving the place is a transaction too: the last one is not in the place that it saves.
    await instance.backstop.stop();
    await fixture.sql(`PURGE BINARY LOGS TO '${status!['File'] as string}'`);
    await unseen();
    await begin();
    expect(toVerify).toEqual([]);
    expect(await fixture.documents()).toMatchObject({ 1: 'changed unseen', 5: 'inserted unseen' });
    await goesOn();
  });

  it('restored to an earlier time, its checkpoint too: what the index has seen since then is taken back', async () => {
    const tables = ['product', 'consistent_checkpoint'];
    const [{ executed }] = (await fixture.sql('SELECT @@GLOBAL.gtid_executed AS executed')) as [{ executed: string }];
    // What a logical backup would hold.
    await instance.backstop.stop();
    for (const table of tables) await fixture.sql(`CREATE TABLE backup_${table} AS SELECT * FROM ${table}`);
    instance.backstop.start();
    await leading(instance.backstop);
    await instance.products.update({ id: '1', title: 'lost with the restore' });
    await unseen();
    await fixture.sql(`UPDATE product SET title = 'lost as well' WHERE id = 3`);
    await fixture.expectAgreement(instance);
    expect(await fixture.documents()).toMatchObject({ 3: 'lost as well', 5: 'inserted unseen' });
    await instance.backstop.stop();
    toVerify.length = 0;
    await restore(executed, tables);
    await begin();
    expect(toVerify).toEqual([expect.stringMatching(/restored/)]);
    expect(await fixture.documents()).toEqual({ 1: 'title 1', 2: 'title 2', 3: 'title 3', 4: 'title 4' });
    await goesOn();
  });

  it('restored under a backstop that is reading it: noticed when the connection comes back', async () => {
    const [{ executed }] = (await fixture.sql('SELECT @@GLOBAL.gtid_executed AS executed')) as [{ executed: string }];
    await fixture.sql('CREATE TABLE backup_product AS SELECT * FROM product');
    await unseen();
    await fixture.expectAgreement(instance);
    toVerify.length = 0;
    await restore(executed, ['product']);
    await fixture.sql(insertOf(7, 'after the restore'));
    // Numbers of transactions are used again: until then it may seem to have read the new ones already.
    await until('it is noticed', () => toVerify.length > 0);
    await fixture.expectLeading(instance);
    await fixture.expectAgreement(instance);
    expect(toVerify).not.toEqual([]);
    expect(await fixture.documents()).toMatchObject({ 1: 'title 1', 2: 'title 2', 7: 'after the restore' });
    expect(await fixture.documents()).not.toHaveProperty('5');
    await goesOn();
  });

  /** As `mysqldump --set-gtid-purged` is loaded: the rows without a log, a new log that begins after them. */
  async function restore(executed: string, tables: readonly string[]): Promise<void> {
    const session = await createConnection({ uri: fixture.stores.database.url });
    try {
      await session.query('SET SESSION sql_log_bin = 0');
      for (const table of tables) {
        await session.query(`DELETE FROM ${table}`);
        await session.query(`INSERT INTO ${table} SELECT * FROM backup_${table}`);
        await session.query(`DROP TABLE backup_${table}`);
      }
      // A new log cannot be begun under a reader.
      const [readers] = await session.query<RowDataPacket[]>(
        `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'`,
      );
      for (const { id } of readers) await session.query(`KILL ${id as number}`).catch(() => undefined);
      await session.query('RESET BINARY LOGS AND GTIDS');
      await session.query('SET GLOBAL gtid_purged = ?', [executed]);
    } finally {
      await session.end();
    }
  }
});

describe('a replica that takes over with transactions of its own, and without others', () => {
  let servers: ReplicaServers;
  let fixture: BackstopFixture;

  beforeAll(async () => {
    servers = await ReplicaServers.start();
    fixture = await BackstopFixture.create('errant');
  }, START_MS);

  afterAll(async () => {
    // The primary is gone: its database goes with its data.
    await fixture?.stores.client.close();
    await deleteIndices(fixture.stores.prefix);
    await servers?.remove();
  }, START_MS);

  it(
    'is followed with its own, and the index forgets what it lacks',
    async () => {
      const first = await fixture.start();
      await first.products.insert(product({ id: '1', title: 'on both' }));
      await fixture.sql(insertOf(2, 'on both'));
      await fixture.expectAgreement(first);
      await servers.caughtUp();
      // The errant one, while it is still a replica.
      const { name } = fixture.stores.database;
      await servers.onReplica(`UPDATE \`${name}\`.product SET title = 'errant' WHERE id = 2`);
      await servers.onReplica('STOP REPLICA');
      await fixture.sql(insertOf(3, 'lost with the primary'));
      await first.products.update({ id: '1', title: 'lost with the primary' });
      await fixture.expectAgreement(first);
      await first.application.close();
      await servers.primary.kill();
      const second = await fixture.start({
        mysql: { port: servers.replica.port },
        synchronize: false,
        backstop: { autoStart: false },
        leading: false,
      });
      const toVerify: string[] = [];
      second.backstop.events.on('backstopToVerify', ({ reason }) => toVerify.push(reason));
      second.backstop.start();
      await leading(second.backstop);
      await second.backstop.drained(60_000);
      expect(toVerify).toHaveLength(1);
      expect(await fixture.documents()).toEqual({ 1: 'on both', 2: 'errant' });
      await servers.onReplica(`UPDATE \`${name}\`.product SET title = 'after it took over' WHERE id = 2`);
      await second.products.update({ id: '1', title: 'by the library' });
      await second.backstop.drained(60_000);
      expect(await fixture.documents()).toEqual({ 1: 'by the library', 2: 'after it took over' });
      expect(second.backstop.status()).toMatchObject({ degraded: false, toVerify: {} });
      await second.application.close();
    },
    START_MS,
  );
});
