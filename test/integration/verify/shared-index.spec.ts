import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ScheduleModule } from '@nestjs/schedule';
import { Test, type TestingModule } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  Consistent,
  ConsistentModule,
  ConsistentRepository,
  ConsistentService,
  getConsistentRepositoryToken,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { elasticsearchUrl } from '../../support/servers.js';

const INDEX = { value: '' };

@Entity('visit')
class Visit {
  @PrimaryColumn() id!: string;
  @Column({ default: '' }) page!: string;
  @Column(() => Consistency) consistency!: Consistency;
}
@Consistent(Visit, { index: () => INDEX.value })
class VisitRepository extends ConsistentRepository<Visit> {}

describe('verification of shards that share an index', () => {
  let stores: { east: Stores; west: Stores };
  let application: TestingModule;
  let service: ConsistentService;

  beforeAll(async () => {
    stores = { east: await Stores.create('verify_east'), west: await Stores.create('verify_west') };
    INDEX.value = stores.east.index('visits');
    const shards = ['east', 'west'] as const;
    application = await Test.createTestingModule({
      imports: [
        ...shards.map((name) =>
          TypeOrmModule.forRoot({
            name,
            type: 'mysql',
            ...stores[name].database.connection,
            entities: [Visit],
            synchronize: true,
            timezone: 'Z',
            charset: 'utf8mb4',
          } as never),
        ),
        ScheduleModule.forRoot(),
        ConsistentModule.forRoot({ elasticsearch: { node: elasticsearchUrl() }, sweeper: false }),
        ...shards.map((name) => ConsistentModule.forFeature([VisitRepository], name)),
      ],
    }).compile();
    await application.init();
    service = application.get(ConsistentService);
  });
  afterAll(async () => {
    await application.close();
    await stores.west.close();
    await stores.east.close();
  });

  const visits = (name: string): VisitRepository =>
    application.get(getConsistentRepositoryToken(VisitRepository, name));
  const verify = (dataSource: string) => service.verify(VisitRepository, { dataSource, repair: true, graceMs: 10 });

  it('leaves the documents of the other shard alone', async () => {
    for (const id of ['a', 'b', 'c']) await visits('east').insert({ id, page: id });
    for (const id of ['x', 'y']) await visits('west').insert({ id, page: id });
    expect(await verify('east')).toMatchObject({ rows: 3, documents: 5, orphaned: 0, consistent: true });
    expect(await verify('west')).toMatchObject({ rows: 2, documents: 5, orphaned: 0, consistent: true });
    expect(await stores.east.document(INDEX.value, 'x')).toBeDefined();
  });

  it('tells of a document that no shard has a row for, and deletes nothing', async () => {
    await stores.east.database.query("DELETE FROM visit WHERE id = 'a'");
    const found = await verify('west');
    expect(found).toMatchObject({ orphaned: 1, repaired: 0, failed: 1, consistent: false });
    expect(found.examples).toEqual([
      expect.objectContaining({ documentId: 'a', kind: 'orphaned', repair: expect.stringMatching(/shared/) }),
    ]);
    expect(await stores.east.document(INDEX.value, 'a')).toBeDefined();
  });

  it('mends its own rows', async () => {
    await stores.east.database.query("UPDATE visit SET page = 'other' WHERE id = 'b'");
    expect(await verify('east')).toMatchObject({ stale: 1, repaired: 1, orphaned: 1 });
    expect((await stores.east.document(INDEX.value, 'b'))!.source).toMatchObject({ page: 'other' });
  });
});
