import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { Consistency, type ConsistentRepository, defineConsistentRepository } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { columnsOf, BULK, Faulty, OPERATIONS } from '../../support/faulty.js';
import { dataSourceOf, serviceOf, Stores } from '../../support/application.js';
import { FaultProxy } from '../../../src/testing/index.js';
import { elasticsearchUrl } from '../../support/servers.js';

/** Everything but `Date` stays real. */
const REAL = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const;

const CLOCKS = [
  ['1980, before the last write', new Date('1980-01-01T00:00:00Z')],
  ['2200, long after every deadline', new Date('2200-01-01T00:00:00Z')],
] as const;

describe.each(CLOCKS)("the application's clock says %s", (_name, now) => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('clocks');
  });
  afterEach(async () => {
    jest.useRealTimers();
    await faulty.heal();
  });
  afterAll(() => faulty.close());

  const wrongClock = () => jest.useFakeTimers({ now, doNotFake: [...REAL] });

  it('versions come from MySQL and grow', async () => {
    const seeded = await faulty.seed();
    wrongClock();
    const saved = (await faulty.products.update({ id: seeded.id, title: 'x' })) as typeof seeded;
    expect(saved.consistency.version).toBeGreaterThan(seeded.consistency.version);
    expect(saved.consistency.version).toBeLessThan(Date.UTC(2100, 0) * 1_000);
    await expectAgreement(faulty, seeded.id, 'x');
  });

  it.each(OPERATIONS)('%s: deadlines are set and judged by MySQL alone', async (operation) => {
    const write = await faulty.plan(operation);
    wrongClock();
    faulty.elasticsearch.inject({ kind: 'cut-before' }, { ...BULK, times: 1 });
    expect(await write.run()).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    const [left] = await faulty.stores.database.query<{ seconds: number }>(
      `SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), consistency_deadline) AS seconds FROM product WHERE id = ?`,
      [write.id],
    );
    expect(left!.seconds).toBeGreaterThan(0);
    expect(left!.seconds).toBeLessThanOrEqual(60);
    // Neither settled too early …
    expect(await faulty.otherService.sweep()).toMatchObject({ claimed: 0 });
    expect(await faulty.seen(write.id)).toEqual({ repository: write.before, http: write.before, index: write.before });
    expect(await faulty.row(write.id)).toMatchObject({ consistency_state: 'prepare' });
    // … nor too late.
    await faulty.expire(write.id);
    expect(await faulty.otherService.sweep()).toMatchObject({ claimed: 1, settled: 1 });
    await expectAgreement(faulty, write.id, write.before);
  });
});

@Entity('moment')
class Moment {
  @PrimaryColumn() id!: number;
  @Column() title!: string;
  @Column({ type: 'timestamp', precision: 6 }) stamped!: Date;
  @Column({ type: 'timestamp', precision: 6, default: () => 'CURRENT_TIMESTAMP(6)', onUpdate: 'CURRENT_TIMESTAMP(6)' })
  touched!: Date;
  @Column(() => Consistency) consistency!: Consistency;
}

/** A TIMESTAMP is shown in the session's zone, and copied by whoever settles: in another zone, perhaps. */
describe('session time zones differ between the writer and the settler', () => {
  let stores: Stores;
  const proxy = new FaultProxy(elasticsearchUrl());

  beforeAll(async () => {
    await proxy.start();
    stores = await Stores.create('zones');
  });
  afterAll(async () => {
    await stores.close();
    await proxy.stop();
  });

  async function inZone(zone: string, options: { node?: string; synchronize?: boolean } = {}) {
    const repository = defineConsistentRepository(Moment, { index: stores.index('moments') });
    const application = await stores.start({
      entities: [Moment],
      repositories: [repository],
      module: { deadlineMs: 60_000 },
      // One connection, so that the zone holds for every statement; the driver is told of it, as it must be.
      dataSource: { synchronize: options.synchronize ?? false, timezone: zone, extra: { connectionLimit: 1 } },
      ...(options.node ? { elasticsearchNode: options.node } : {}),
    });
    const dataSource: DataSource = dataSourceOf(application);
    await dataSource.query('SET time_zone = ?', [zone]);
    return { moments: application.get<ConsistentRepository<Moment>>(repository), service: serviceOf(application) };
  }

  const expire = () =>
    stores.database.query(
      'UPDATE moment SET touched = touched, consistency_deadline = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE consistency_deadline IS NOT NULL',
    );

  it.each(['undone', 'found to have landed'] as const)(
    'a write is %s: row and document hold the same moments',
    async (fate) => {
      const writer = await inZone('+09:00', { node: proxy.url, synchronize: true });
      const settler = await inZone('-08:00');
      const id = fate === 'undone' ? 1 : 2;
      await writer.moments.insert({ id, title: 'old', stamped: new Date('2024-03-10T02:30:00.123Z') });
      const row = await stores.row('moment', id);
      const document = await stores.document(stores.index('moments'), String(id));
      proxy.inject({ kind: fate === 'undone' ? 'cut-before' : 'cut-after' }, { ...BULK, times: 1 });
      const change = { id, title: 'new', stamped: new Date('2024-10-27T01:30:00.456Z') };
      await expect(writer.moments.update(change)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
      await expire();
      expect(await settler.service.sweep()).toMatchObject({ settled: 1 });
      const rowAfter = await stores.row('moment', id);
      const { consistency_restored: marker, ...source } = (await stores.document(stores.index('moments'), String(id)))!
        .source;
      expect(rowAfter).toMatchObject({ consistency_state: 'commit' });
      if (fate === 'undone') {
        expect(columnsOf(rowAfter)).toEqual(columnsOf(row));
        expect(source).toEqual(document!.source);
        expect(marker).toBe(rowAfter!.consistency_version);
      } else {
        expect(rowAfter).toMatchObject({ title: 'new', stamped: '2024-10-27 01:30:00.456000' });
      }
      // The look past the library runs in UTC.
      for (const name of ['stamped', 'touched']) {
        expect(source[name]).toBe(`${(rowAfter![name] as string).replace(' ', 'T')}Z`);
      }
    },
  );
});
