import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { Test, type TestingModule } from '@nestjs/testing';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  Consistent,
  ConsistentModule,
  ConsistentRepository,
  ConsistentService,
  getConsistentRepositoryToken,
  InjectConsistentRepository,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { expireDeadlines, LostAnswers } from '../../support/lost.answers.js';

const PREFIX = { value: '' };

@Entity('customer')
class Customer {
  @PrimaryColumn() id!: string;
  @Column({ default: '' }) name!: string;
  @Column(() => Consistency) consistency!: Consistency;
}
/** One index per shard: the same key may be in both. */
@Consistent(Customer, { index: (dataSource) => `${PREFIX.value}customers-${dataSource}` })
class CustomerRepository extends ConsistentRepository<Customer> {}

@Entity('visit')
class Visit {
  @PrimaryColumn() id!: string;
  @Column({ default: '' }) page!: string;
  @Column(() => Consistency) consistency!: Consistency;
}
/** One index for all shards: the ids must be unique among them. */
@Consistent(Visit, { index: () => `${PREFIX.value}visits` })
class VisitRepository extends ConsistentRepository<Visit> {}

/** How an application routes: by key, over repositories that it gets by injection. */
@Injectable()
class Customers {
  constructor(
    @InjectConsistentRepository(CustomerRepository, 'east') readonly east: CustomerRepository,
    @InjectConsistentRepository(CustomerRepository, 'west') readonly west: CustomerRepository,
  ) {}
  of(id: string): CustomerRepository {
    return id < 'm' ? this.east : this.west;
  }
}

describe('shards: one repository class on several DataSources', () => {
  let stores: { east: Stores; west: Stores };
  let answers: LostAnswers;
  let application: TestingModule;
  let customers: Customers;

  beforeAll(async () => {
    stores = { east: await Stores.create('shard_east'), west: await Stores.create('shard_west') };
    answers = await LostAnswers.start();
    PREFIX.value = stores.east.prefix;
    const source = (name: 'east' | 'west') =>
      TypeOrmModule.forRoot({
        name,
        type: 'mysql',
        ...stores[name].database.connection,
        entities: [Customer, Visit],
        synchronize: true,
        timezone: 'Z',
        charset: 'utf8mb4',
        retryAttempts: 0,
      } as never);
    application = await Test.createTestingModule({
      imports: [
        source('east'),
        source('west'),
        ScheduleModule.forRoot(),
        ConsistentModule.forRoot({ elasticsearch: { node: answers.url }, sweeper: false }),
        ConsistentModule.forFeature([CustomerRepository, VisitRepository], 'east'),
        ConsistentModule.forFeature([CustomerRepository, VisitRepository], { dataSource: 'west' }),
      ],
      providers: [Customers],
    }).compile();
    await application.init();
    customers = application.get(Customers);
  });
  afterAll(async () => {
    await application.close();
    await answers.stop();
    await stores.east.close();
    await stores.west.close();
  });

  it('gives each shard its own repository and, by a function, its own index', async () => {
    expect(customers.east).not.toBe(customers.west);
    await customers.of('anna').save({ id: 'anna', name: 'east' });
    await customers.of('zoe').save({ id: 'zoe', name: 'west' });
    expect(customers.east.index).not.toBe(customers.west.index);
    expect(await stores.east.row('customer', 'anna')).toMatchObject({ name: 'east' });
    expect(await stores.west.row('customer', 'anna')).toBeUndefined();
    expect(await stores.west.document(customers.west.index, 'zoe')).toMatchObject({ source: { name: 'west' } });
    expect(await stores.west.document(customers.east.index, 'zoe')).toBeUndefined();
  });

  it('can share one index where ids are unique', async () => {
    const [east, west] = ['east', 'west'].map((name) =>
      application.get<VisitRepository>(getConsistentRepositoryToken(VisitRepository, name)),
    );
    await east!.save({ id: 'e1', page: '/e' });
    await west!.save({ id: 'w1', page: '/w' });
    expect(east!.index).toBe(west!.index);
    const found = await stores.east.client.mget<Visit>({ index: east!.index, ids: ['e1', 'w1'] });
    expect(found.docs.map((doc) => (doc as { _source: Visit })._source.page)).toEqual(['/e', '/w']);
  });

  it('settles the same key on two shards apart, wherever the instances are mixed', async () => {
    await customers.east.save({ id: 'both', name: 'east before' });
    await customers.west.save({ id: 'both', name: 'west before' });
    await answers.vanished(() => customers.east.save({ id: 'both', name: 'east lost' }));
    await answers.landed(() => customers.west.save({ id: 'both', name: 'west landed' }));
    const plain = await Promise.all(
      ['east', 'west'].map((name) =>
        application.get<DataSource>(getDataSourceToken(name)).getRepository(Customer).findOneByOrFail({ id: 'both' }),
      ),
    );
    const repaired = await application.get(ConsistentService).repair({ mixed: plain });
    expect(repaired!.mixed.map(({ name }) => name)).toEqual(['east before', 'west landed']);
    await expireDeadlines(stores.east, 'customer');
    expect(await application.get(ConsistentService).sweep()).toMatchObject({ claimed: 1, settled: 1 });
    expect(await stores.east.row('customer', 'both')).toMatchObject({ name: 'east before' });
  });

  it('runs a unit of work on the shard that it names', async () => {
    const consistent = application.get(ConsistentService);
    await consistent.transaction(
      async (unit) => {
        await unit.getRepository(CustomerRepository).save(Object.assign(new Customer(), { id: 'unit', name: 'w' }));
      },
      { dataSource: 'west' },
    );
    expect(await stores.west.row('customer', 'unit')).toMatchObject({ name: 'w' });
    expect(await stores.east.row('customer', 'unit')).toBeUndefined();
    await expect(consistent.transaction(async () => undefined)).rejects.toThrow(/DataSource "default"/);
    expect(await consistent.parked.list({ dataSource: 'west' })).toEqual([]);
  });
});
