import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { createConnection } from 'mysql2/promise';
import { Column, DataSource, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { BackstopModule, BackstopService } from '../../../src/binlog/index.js';
import {
  addConsistencyColumns,
  Consistency,
  type ConsistentRepository,
  ConsistentService,
  defineConsistentRepository,
  OutcomeUnknownError,
} from '../../../src/index.js';
import { StatusReport, StatusReportModule } from '../../../src/status/index.js';
import { FaultProxy } from '../../../src/testing/index.js';
import { silentReporter } from '../../../tools/servers/progress.reporter.mjs';
import type { Server } from '../../../tools/servers/server.types.mjs';
import { startMysql } from '../../../tools/servers/servers.mjs';
import { Stores } from '../../support/application.js';
import { runCli } from '../../support/cli.run.js';
import { until } from '../../support/faulty.js';
import { elasticsearchUrl } from '../../support/servers.js';

const DATABASE = 'Old_Shop';

@Entity('CatalogItem')
class CatalogItem {
  @PrimaryColumn() id!: string;
  @Column() title!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

/** Points at the consistent table, so that an item with notes cannot be removed. */
@Entity('ItemNote')
class ItemNote {
  @PrimaryColumn() id!: number;
  @ManyToOne(() => CatalogItem) @JoinColumn({ name: 'itemId' }) item!: CatalogItem;
}

/** `lower_case_table_names=1`, as many servers of Windows days have it: names keep no upper case, and any spelling finds a table. */
describe('a server that folds the case of names', () => {
  const shared = process.env['MYSQL_URL'];
  let server: Server;
  let stores: Stores;
  let proxy: FaultProxy;
  let application: TestingModule;
  let items: ConsistentRepository<CatalogItem>;
  let service: ConsistentService;
  let backstop: BackstopService;

  const sql = async (statement: string): Promise<any> => {
    const connection = await createConnection({ uri: server.url, database: DATABASE });
    try {
      return (await connection.query(statement))[0];
    } finally {
      await connection.end();
    }
  };
  const titles = async () => {
    await stores.client.indices.refresh({ index: items.index });
    const { hits } = await stores.client.search<CatalogItem>({ index: items.index, size: 100 });
    return Object.fromEntries(hits.hits.map(({ _id, _source }) => [_id!, _source!.title]));
  };
  const target = defineConsistentRepository(CatalogItem, { index: () => stores.index('items') });

  beforeAll(async () => {
    server = await startMysql({ reporter: silentReporter, settings: ['--lower-case-table-names=1'] });
    process.env['MYSQL_URL'] = server.url;
    stores = await Stores.create('folded');
    proxy = new FaultProxy(elasticsearchUrl());
    await proxy.start();
    await stores.database.query(`CREATE DATABASE ${DATABASE}`);
    await sql('CREATE TABLE CatalogItem (id varchar(40) PRIMARY KEY, title varchar(80) NOT NULL)');
    await sql(`CREATE TABLE ItemNote (id int PRIMARY KEY, itemId varchar(40) NOT NULL,
      CONSTRAINT note_of FOREIGN KEY (itemId) REFERENCES CatalogItem (id))`);
    const migrations = await new DataSource({
      type: 'mysql',
      ...stores.database.connection,
      database: DATABASE,
      entities: [CatalogItem, ItemNote],
    }).initialize();
    const runner = migrations.createQueryRunner();
    for (const spelling of ['CatalogItem', 'catalogitem']) await addConsistencyColumns(runner, spelling);
    await migrations.destroy();
    application = await stores.start({
      entities: [CatalogItem, ItemNote],
      repositories: [target],
      elasticsearchNode: proxy.url,
      dataSource: { database: DATABASE, synchronize: false },
      module: { retry: { attempts: 0 } },
      imports: [BackstopModule.forRoot({ checkpointIntervalMs: 50, autoStart: false }), StatusReportModule],
    });
    items = application.get(target);
    service = application.get(ConsistentService);
    backstop = application.get(BackstopService);
  }, 120_000);

  afterAll(async () => {
    await stores?.close();
    await proxy?.stop();
    process.env['MYSQL_URL'] = shared;
    await server?.remove();
  });

  it('writes, reads and settles', async () => {
    const saved = await items.save({ id: 'a', title: 'first' });
    expect(await stores.document(items.index, 'a')).toMatchObject({ version: saved.consistency.version });
    const lost = proxy.inject({ kind: 'cut-after' }, { path: '_bulk', times: 1 });
    await expect(items.update({ id: 'a', title: 'second' })).rejects.toThrow(OutcomeUnknownError);
    expect(lost.hits).toBe(1);
    expect(await items.findOneBy({ id: 'a' })).toMatchObject({ title: 'second', consistency: { state: 'commit' } });
    expect(await sql('SELECT consistency_state AS state FROM CATALOGITEM')).toEqual([{ state: 'commit' }]);
  });

  it('finds the foreign keys that point here: what they forbid is refused before the document goes', async () => {
    await items.save({ id: 'noted', title: 'with a note' });
    await sql(`INSERT INTO ItemNote VALUES (1, 'noted')`);
    await expect(items.remove((await items.findOneBy({ id: 'noted' }))!)).rejects.toMatchObject({ errno: 1451 });
    expect(await titles()).toMatchObject({ noted: 'with a note' });
    expect(await service.parked.list()).toEqual([]);
    await sql('DELETE FROM ItemNote');
    await items.remove((await items.findOneBy({ id: 'noted' }))!);
    expect(await titles()).not.toHaveProperty('noted');
  });

  it('verifies and repairs', async () => {
    await items.save({ id: 'b', title: 'of the library' });
    await sql(`UPDATE catalogITEM SET title = 'by SQL' WHERE id = 'b'`);
    expect(await service.verify(target, { repair: true })).toMatchObject({ stale: 1, repaired: 1 });
    expect(await titles()).toMatchObject({ b: 'by SQL' });
    expect(await service.lastVerification(target)).toMatchObject({ state: 'complete' });
  });

  it('follows changes by SQL in the log, whose names are in lower case', async () => {
    backstop.start();
    await until('the backstop leads', () => backstop.status().state === 'leading');
    await backstop.drained(60_000);
    await sql(`INSERT INTO CATALOGITEM (id, title) VALUES ('c', 'by SQL'), ('d', 'by SQL')`);
    await sql(`UPDATE catalogitem SET title = 'changed' WHERE id = 'c'`);
    await sql(`DELETE FROM CatalogItem WHERE id = 'd'`);
    await backstop.drained(60_000);
    expect(await titles()).toEqual({ a: 'second', b: 'by SQL', c: 'changed' });
    expect(backstop.status()).toMatchObject({ state: 'leading' });
  });

  it('goes on when the table is changed under another spelling', async () => {
    await sql('ALTER TABLE CATALOGITEM ADD COLUMN shelf int NOT NULL DEFAULT 3 AFTER id');
    await sql(`INSERT INTO CatalogItem (id, shelf, title) VALUES ('e', 5, 'after it')`);
    await backstop.drained(60_000);
    await items.update({ id: 'a', title: 'third' });
    expect(await titles()).toMatchObject({ a: 'third', e: 'after it' });
    await sql('DELETE FROM CATALOGITEM');
    await backstop.drained(60_000);
    expect(await titles()).toEqual({});
  });

  it('tells the status, and finds nothing wrong', async () => {
    await items.save({ id: 'x', title: 'x' });
    await sql('ANALYZE TABLE catalogitem');
    const status = await application.get(StatusReport).read();
    expect(status.entities).toMatchObject([{ rows: { ok: true, data: 1 } }]);
    const urls = ['--mysql', `${server.url}/${DATABASE}`, '--elasticsearch', elasticsearchUrl()];
    const { stdout } = await runCli(['doctor', '--json', ...urls, '--table', 'CatalogItem', '--index', items.index]);
    // It has nothing against the table itself.
    const { findings } = JSON.parse(stdout) as { findings: { subject: string }[] };
    expect(findings.map(({ subject }) => subject)).toEqual(['table consistent_reindex']);
  });
});
