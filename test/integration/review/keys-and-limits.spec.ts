import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  ConsistentService,
  defineConsistentRepository,
} from '../../../src/index.js';
import { ConsistentRegistry } from '../../../src/consistent.registry.js';
import { classifyMysqlError } from '../../../src/mysql/mysql.errors.js';
import { Stores } from '../../support/application.js';

@Entity('label')
class Label {
  @PrimaryColumn({ length: 40 }) id!: string;
  @Column({ unique: true }) name!: string;
  @Column({ type: 'varchar', default: '1' }) amount!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

describe('keys, errors and parked rows at their limits', () => {
  let stores: Stores;
  let labels: ConsistentRepository<Label>;
  let service: ConsistentService;
  let registry: ConsistentRegistry;

  beforeAll(async () => {
    stores = await Stores.create('review-limits');
    const target = defineConsistentRepository(Label, {
      index: stores.index('labels'),
      mappings: { properties: { amount: { type: 'integer' } } },
    });
    const application = await stores.start({
      entities: [Label],
      repositories: [target],
      module: { busyTimeoutMs: 500 },
    });
    labels = application.get(target);
    service = application.get(ConsistentService);
    registry = application.get(ConsistentRegistry);
  });
  afterAll(() => stores.close());

  it('does not take the number 0 for every text key', async () => {
    for (const id of ['abc', 'def']) {
      await labels.save({ id, name: id });
      await labels.save({ id: 0 as unknown as string, name: `zero ${id}` }).catch(() => undefined);
      await labels.update({ id: 0 as unknown as string, name: `nought ${id}` }).catch(() => undefined);
    }
    const rows = await stores.database.query("SELECT id, name FROM label WHERE id IN ('abc', 'def') ORDER BY id");
    expect(rows).toEqual([
      { id: 'abc', name: 'abc' },
      { id: 'def', name: 'def' },
    ]);
  });

  it('keeps the value that Elasticsearch refuses out of the error', async () => {
    const refused = labels.save({ id: 'secret', name: 'secret', amount: 'my diagnosis' });
    const error = (await refused.catch((reason: unknown) => reason)) as Error & { data: unknown };
    expect(error).toMatchObject({ code: 'INDEX_REJECTED' });
    expect(error.message).toContain('[amount]');
    expect(`${error.message} ${JSON.stringify(error.data)}`).not.toContain('diagnosis');
  });

  it('knows MySQL’s "data truncated" for an error of the data', () => {
    expect(classifyMysqlError({ driverError: { errno: 1265, sqlState: '01000' } })).toBe('refused');
  });

  it('parks a row and says why, or does neither', async () => {
    await labels.save({ id: 'first', name: 'first' });
    const { store, parked } = registry.all()[0]!;
    const prepare = () =>
      stores.database.query(
        `UPDATE label SET consistency_pending = JSON_OBJECT('operation', 'update', 'next', 'present', 'before', 'present',
           'decider', 'elasticsearch', 'version', 1, 'previous', JSON_OBJECT('id', id, 'name', name, 'amount', amount)),
           consistency_state = 'prepare', consistency_version = consistency_version + 1,
           consistency_deadline = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR WHERE id = 'first'`,
      );
    await prepare();
    const key = (await store.undecided(1, false))[0]!.key;
    const row = { ...(await store.load([key])).get(key.id)!, documentId: 'first' };
    const late = await parked.park(store, { ...row, version: row.version - 1 }, 'restore-refused', new Error('why'));
    expect([late, await parked.count()]).toEqual([false, 0]);
    await stores.database.query('ALTER TABLE consistent_parked RENAME TO elsewhere');
    await expect(parked.park(store, row, 'restore-refused', new Error('why'))).rejects.toThrow('consistent_parked');
    await stores.database.query('ALTER TABLE elsewhere RENAME TO consistent_parked');
    expect((await store.load([key])).get(key.id)).toMatchObject({ parked: false });
    expect(await parked.park(store, row, 'restore-refused', new Error('why'))).toBe(true);
    expect(await service.parked.list()).toMatchObject([{ key: { id: 'first' }, lastError: 'why' }]);
  });

  it('tells the fate of every item of a batch that shutdown interrupts', async () => {
    const items = Array.from({ length: 12 }, (_, at) => ({ id: `batch ${at}`, name: `batch ${at}` }));
    let drained: Promise<boolean> | undefined;
    const outcomes = await labels.saveMany(items, {
      chunkSize: 2,
      onProgress: () => {
        drained ??= registry.writer.drain(5_000);
      },
    });
    await drained;
    const fates = outcomes.map((outcome) =>
      outcome.status === 'failed' ? (outcome.error as { code?: string }).code : outcome.status,
    );
    // Up to three chunks more were under way when the first was told: shutdown waits for them.
    const written = fates.filter((fate) => fate === 'committed').length;
    expect(written).toBeGreaterThanOrEqual(2);
    expect(written).toBeLessThanOrEqual(8);
    expect(fates).toEqual(items.map((_, at) => (at < written ? 'committed' : 'SHUTTING_DOWN')));
    for (const { id } of items.slice(0, written)) expect(await stores.document(labels.index, id)).toBeDefined();
  });
});
