import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  ConsistentService,
  defineConsistentRepository,
} from '../../../src/index.js';
import { FaultProxy } from '../../../src/testing/index.js';
import { Stores } from '../../support/application.js';
import { elasticsearchUrl } from '../../support/servers.js';

abstract class Named {
  @PrimaryColumn() id!: number;
  @Column() name!: string;
  @Column(() => Consistency) consistency!: Consistency;
}
@Entity('strict_row')
class StrictRow extends Named {}
@Entity('available_row')
class AvailableRow extends Named {}

let serial = 0;

/** The document has no part in it, so no row may wait for a person. */
describe('an index that is away while the application runs', () => {
  let stores: Stores;
  let proxy: FaultProxy;
  let service: ConsistentService;
  let strict: ConsistentRepository<Named>;
  let available: ConsistentRepository<Named>;

  beforeAll(async () => {
    stores = await Stores.create('index-away');
    proxy = new FaultProxy(elasticsearchUrl());
    await proxy.start();
    const first = defineConsistentRepository(StrictRow, { index: stores.index('strict') });
    const second = defineConsistentRepository(AvailableRow, { index: stores.index('available'), decider: 'mysql' });
    const application = await stores.start({
      entities: [StrictRow, AvailableRow],
      repositories: [first, second],
      elasticsearchNode: proxy.url,
      module: { readRepair: { timeoutMs: 10_000 }, retry: { attempts: 1, backoffMs: 1 } },
    });
    [strict, available] = [application.get(first), application.get(second)];
    service = application.get(ConsistentService);
  });
  afterAll(async () => {
    await stores?.close();
    await proxy?.stop();
  });

  type Fault = (alias: string) => Promise<() => Promise<unknown>>;
  const FAULTS: [string, string, Fault][] = [
    [
      'closed',
      'INDEX_ACCESS',
      async (alias) => {
        const index = `${alias}-000001`;
        await stores.client.indices.close({ index });
        return async () => {
          await stores.client.indices.open({ index });
          await stores.client.cluster.health({ index, wait_for_status: 'yellow', timeout: '30s' });
        };
      },
    ],
    [
      'without its alias',
      'INDEX_UNAVAILABLE',
      async (alias) => {
        const index = `${alias}-000001`;
        await stores.client.indices.deleteAlias({ index, name: alias });
        return () => stores.client.indices.putAlias({ index, name: alias, is_write_index: true });
      },
    ],
    [
      'one of two behind its alias',
      'INDEX_ACCESS',
      async (alias) => {
        const index = `${alias}-other`;
        await stores.client.indices.putAlias({ index: `${alias}-000001`, name: alias, is_write_index: false });
        await stores.client.indices.create({ index, aliases: { [alias]: {} }, settings: { number_of_replicas: 0 } });
        return async () => {
          await stores.client.indices.delete({ index });
          await stores.client.indices.putAlias({ index: `${alias}-000001`, name: alias, is_write_index: true });
        };
      },
    ],
  ];

  it.each(FAULTS)("%s, decider 'elasticsearch': put back, and written again later", async (_, code, fault) => {
    const id = ++serial;
    await strict.save({ id, name: 'before' });
    const mend = await fault(strict.index);
    await expect(strict.save({ id, name: 'refused' })).rejects.toMatchObject({ code });
    expect(await strict.findOneBy({ id })).toMatchObject({ name: 'before' });
    await mend();
    await strict.save({ id, name: 'after' });
    expect(await stores.document(strict.index, String(id))).toMatchObject({ source: { name: 'after' } });
  });

  it.each(FAULTS)(
    '%s: who meets an undecided row is told to try again, and what is decided is read',
    async (_, _code, fault) => {
      const [undecided, decided] = [++serial, ++serial];
      await strict.save({ id: decided, name: 'decided' });
      proxy.inject({ kind: 'cut-after' }, { path: '_bulk', times: 1 });
      await expect(strict.save({ id: undecided, name: 'landed' })).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
      const mend = await fault(strict.index);
      const codeOf = (error: unknown) => (error as { code: string }).code;
      const seen = await strict.findOneBy({ id: undecided }).catch(codeOf);
      const row = await strict.findOneBy({ id: decided });
      await mend();
      expect(row).toMatchObject({ name: 'decided' });
      expect(seen).toBe('READ_UNSETTLED');
      expect(await strict.findOneBy({ id: undecided })).toMatchObject({ name: 'landed' });
    },
  );

  it.each(FAULTS)("%s, decider 'mysql': nothing is parked, and the index follows", async (_, _code, fault) => {
    const [kept, removed] = [++serial, ++serial];
    for (const id of [kept, removed]) await available.save({ id, name: 'before' });
    const mend = await fault(available.index);
    await available.save({ id: kept, name: 'decided' });
    await available.remove({ id: removed } as Named);
    await stores.database.query("UPDATE available_row SET consistency_deadline = '2020-01-01' WHERE id >= ?", [kept]);
    await service.sweep();
    expect(await service.parked.list()).toEqual([]);
    await mend();
    await stores.database.query("UPDATE available_row SET consistency_deadline = '2020-01-01' WHERE id >= ?", [kept]);
    await service.sweep();
    expect(await stores.row('available_row', kept)).toMatchObject({ name: 'decided', consistency_state: 'commit' });
    expect(await stores.document(available.index, String(kept))).toMatchObject({ source: { name: 'decided' } });
    expect([
      await stores.row('available_row', removed),
      await stores.document(available.index, String(removed)),
    ]).toEqual([undefined, undefined]);
  });
});
