import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { createConnection } from 'mysql2/promise';
import { Registry } from 'prom-client';
import { BackstopModule, BackstopService } from '../../../src/binlog/index.js';
import type { ConsistentRepository } from '../../../src/index.js';
import { ConsistentMetricsModule } from '../../../src/observe/metrics.index.js';
import { StatusReport } from '../../../src/status/status.report.js';
import { StatusReportModule } from '../../../src/status/status.report.module.js';
import { serviceOf, Stores } from '../../support/application.js';
import { runCli } from '../../support/cli.run.js';
import { until } from '../../support/faulty.js';
import { LostAnswers } from '../../support/lost.answers.js';
import { elasticsearchUrl, mysqlUrl } from '../../support/servers.js';
import { Hostile, hostileRepository, INDEX, KEY, quoted, RESERVED, TABLE, TABLE_SQL, VALUE } from './hostile.model.js';

const APP = fileURLToPath(new URL('./fixture/hostile.mjs', import.meta.url));
const LONG_MS = 180_000;

/** Names that are statements, if they are not quoted, through everything that makes a statement, a path or a pattern of them. */
describe('hostile names of database, table, columns and index', () => {
  const database = `nc_hostile_${process.pid} "d\`b"; -- ' ? ü`;
  const registry = new Registry();
  let stores: Stores;
  let answers: LostAnswers;
  let index: string;
  let application: TestingModule;
  let hostile: ConsistentRepository<Hostile>;
  let backstop: BackstopService;

  beforeAll(async () => {
    stores = await Stores.create('hostile-names');
    answers = await LostAnswers.start();
    index = `${stores.prefix}${INDEX}`;
    await sql(`CREATE DATABASE ${quoted(database)} CHARACTER SET utf8mb4`, null);
    await sql(TABLE_SQL);
    await sql(`INSERT INTO ${quoted(TABLE)} (${quoted(KEY)}) VALUES ('was there')`);
  });
  afterAll(async () => {
    await stores.client.indices.delete({ index: `${index}-000001` }, { ignore: [404] });
    await stores.close();
    await answers.stop();
    await sql(`DROP DATABASE ${quoted(database)}`, null);
  });

  async function sql(statement: string, of: string | null = database): Promise<Record<string, unknown>[]> {
    const connection = await createConnection({ uri: mysqlUrl(), ...(of === null ? {} : { database: of }) });
    const [rows] = await connection.query(statement);
    await connection.end();
    return rows as Record<string, unknown>[];
  }

  function cli(...args: string[]) {
    const env = {
      APP_MYSQL: JSON.stringify(stores.database.connection),
      APP_DATABASE: database,
      APP_ELASTICSEARCH_URL: elasticsearchUrl(),
      APP_INDEX: index,
    };
    return runCli([...args, '--app', APP, '--json'], { env });
  }

  const value = async (id: string): Promise<unknown> => (await stores.document(index, id))?.source['value'] ?? null;

  it(
    'migrate: adds the columns, and finds nothing more to do',
    async () => {
      const applied = await cli('migrate', '--apply');
      expect([applied.code, applied.stderr]).toEqual([0, '']);
      expect(await cli('migrate')).toMatchObject({ code: 0, stdout: '{"statements":[],"applied":false}\n' });
      const rows = await sql(`SELECT COUNT(*) AS n FROM ${quoted(TABLE)}`);
      expect(rows).toEqual([{ n: 1 }]);
    },
    LONG_MS,
  );

  it('starts, and the backstop leads', async () => {
    const repository = hostileRepository(index);
    application = await stores.start({
      entities: [Hostile],
      repositories: [repository],
      elasticsearchNode: answers.url,
      module: { bypassGuard: 'off' },
      dataSource: { database, synchronize: false },
      imports: [
        BackstopModule.forRoot({ checkpointIntervalMs: 50 }),
        ConsistentMetricsModule.forRoot({ registry }),
        StatusReportModule,
      ],
    });
    hostile = application.get(repository) as ConsistentRepository<Hostile>;
    backstop = application.get(BackstopService);
    await until('it leads', () => backstop.status().state === 'leading');
  });

  it('writes one by one, in batches and in units of work, reads, counts, removes', async () => {
    const root = (await hostile.save({ id: "k'1", value: 'one', reserved: 1, json: { a: [1] } })) as Hostile;
    await hostile.save({ id: 'k2', parent: root });
    await hostile.update({ id: 'k2', value: 'two' });
    expect(await value('k2')).toBe('two');
    expect((await stores.document(index, 'k2'))!.source).toMatchObject({ [PARENT_FIELD]: "k'1" });
    await hostile.saveMany([
      { id: 'k3', value: 'many' },
      { id: 'k4', value: 'many' },
    ]);
    await serviceOf(application).transaction(async (unit) => {
      const inside = unit.getRepository(hostile.constructor as ReturnType<typeof hostileRepository>);
      await inside.save({ id: 'k5', value: 'unit' } as Hostile);
    });
    expect(await hostile.countBy({ value: 'many' })).toBe(2);
    await hostile.remove((await hostile.findOneByOrFail({ id: 'k4' })) as Hostile);
    expect(await value('k4')).toBeNull();
    expect(await value('k5')).toBe('unit');
  });

  it('settles: reads see what the index has, and the sweeper puts every column back', async () => {
    const before = (await sql(`SELECT * FROM ${quoted(TABLE)} WHERE ${quoted(KEY)} = "k'1"`))[0]!;
    await answers.vanished(() => hostile.update({ id: "k'1", value: 'lost', reserved: null, json: null }));
    expect(await hostile.findOneByOrFail({ id: "k'1" })).toMatchObject({ value: 'one', reserved: 1 });
    const deadline = hostile.metadata.columns.find(({ propertyName }) => propertyName === 'deadline')!.databaseName;
    const changed = quoted('ON UPDATE "now"');
    await sql(
      `UPDATE ${quoted(TABLE)} SET ${quoted(deadline)} = '2000-01-01', ${changed} = ${changed} WHERE ${quoted(deadline)} IS NOT NULL`,
    );
    expect(await serviceOf(application).sweep()).toMatchObject({ claimed: 1, settled: 1, parked: 0 });
    const after = (await sql(`SELECT * FROM ${quoted(TABLE)} WHERE ${quoted(KEY)} = "k'1"`))[0]!;
    for (const name of [VALUE, RESERVED, '$."a"[0].`b`', 'ON UPDATE "now"']) expect(after[name]).toEqual(before[name]);
  });

  it('the backstop adopts what SQL changed, also after the table was altered', async () => {
    await sql(`UPDATE ${quoted(TABLE)} SET ${quoted(VALUE)} = 'by SQL' WHERE ${quoted(KEY)} = 'k2'`);
    await sql(`DELETE FROM ${quoted(TABLE)} WHERE ${quoted(KEY)} = 'k3'`);
    await backstop.drained();
    expect([await value('k2'), await value('k3')]).toEqual(['by SQL', null]);
    await sql(`ALTER TABLE ${quoted(TABLE)} ADD COLUMN ${quoted('n`ew ? "')} INT NULL`);
    await sql(`UPDATE ${quoted(TABLE)} SET ${quoted(VALUE)} = 'altered' WHERE ${quoted(KEY)} = 'k2'`);
    await backstop.drained();
    expect(await value('k2')).toBe('altered');
    expect(backstop.status()).toMatchObject({ state: 'leading' });
  });

  it('verifies and repairs, and keeps the result', async () => {
    await stores.client.delete({ index, id: 'k5' });
    const service = serviceOf(application);
    // The row that was there before has no document yet.
    const repaired = await service.verify(Hostile, { repair: true, graceMs: 10 });
    expect(repaired).toMatchObject({ missing: 2, repaired: 2, failed: 0, unchecked: 0, consistent: true });
    expect([await value('k5'), await value('was there')]).toEqual(['unit', 'd']);
    expect(await service.lastVerification(Hostile)).toMatchObject({ state: 'complete', result: { consistent: true } });
  });

  it('metrics and the status report read the same table', async () => {
    const told = () => registry.metrics();
    await until('rows are told', async () => (await told()).includes('nest_consistent_prepare_rows'));
    expect(await told()).not.toMatch(/scrape_errors_total\{[^}]*\} [1-9]/);
    const { entities } = await application.get(StatusReport, { strict: false }).read();
    const { rows, documents, prepare, parked, verification } = entities[0]!;
    for (const part of [rows, documents, prepare, parked, verification]) expect(part).toMatchObject({ ok: true });
  });

  it(
    'the command line: doctor, verify, status',
    async () => {
      const doctor = await cli('doctor');
      expect([doctor.code, doctor.stdout]).toEqual([0, '{"findings":[]}\n']);
      const verify = await cli('verify');
      expect(JSON.parse(verify.stdout)).toMatchObject({ rows: 4, documents: 4, missing: 0, orphaned: 0 });
      const status = JSON.parse((await cli('status')).stdout) as { tables: unknown[] };
      expect(status.tables).toEqual([expect.objectContaining({ table: TABLE, undecided: 0, documents: 4 })]);
    },
    LONG_MS,
  );
});

/** What the relation's column is called in the document. */
const PARENT_FIELD = 'parent` key';
