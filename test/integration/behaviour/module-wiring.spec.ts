import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Module } from '@nestjs/common';
import { ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Client } from '@elastic/elasticsearch';
import { DataSource } from 'typeorm';
import {
  CONSISTENT_CLIENT,
  Consistent,
  ConsistentEvents,
  ConsistentModule,
  type ConsistentModuleOptions,
  ConsistentRepository,
  ConsistentService,
  getConsistentRepositoryToken,
  InvalidOptionsError,
  SWEEPER_INTERVAL,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { Product, product, productRepository } from '../../support/product.js';
import { elasticsearchUrl } from '../../support/servers.js';

const INDEX = { value: '' };

@Injectable()
class Taxes {
  readonly rate = 19;
}
@Module({ providers: [Taxes], exports: [Taxes] })
class TaxModule {}

@Consistent(Product, { index: () => INDEX.value })
class TaxedRepository extends ConsistentRepository<Product> {
  constructor(
    private readonly taxes: Taxes,
    @Inject(ConsistentEvents) readonly events: ConsistentEvents,
  ) {
    super();
  }
  async taxed(id: string): Promise<number> {
    return (Number((await this.findOneByOrFail({ id })).price) * (100 + this.taxes.rate)) / 100;
  }
}

@Injectable()
class FirstService {
  constructor(readonly products: TaxedRepository) {}
}
@Injectable()
class SecondService {
  constructor(readonly products: TaxedRepository) {}
}
const feature = () => ConsistentModule.forFeature([TaxedRepository], { imports: [TaxModule] });
@Module({ imports: [feature()], providers: [FirstService], exports: [FirstService] })
class FirstModule {}
@Module({ imports: [feature()], providers: [SecondService], exports: [SecondService] })
class SecondModule {}

describe('how the module is wired', () => {
  let stores: Stores;
  beforeAll(async () => {
    stores = await Stores.create('wiring');
    INDEX.value = stores.index('products');
  });
  afterAll(() => stores.close());

  const database = () =>
    TypeOrmModule.forRoot({
      type: 'mysql',
      ...stores.database.connection,
      entities: [Product],
      synchronize: true,
      timezone: 'Z',
      charset: 'utf8mb4',
      retryAttempts: 0,
    } as never);

  it('forRootAsync, and forFeature in two modules: one entity, dependencies injected', async () => {
    @Module({ providers: [{ provide: 'URL', useFactory: elasticsearchUrl }], exports: ['URL'] })
    class ConfigModule {}
    const application = await Test.createTestingModule({
      imports: [
        database(),
        ScheduleModule.forRoot(),
        ConsistentModule.forRootAsync({
          imports: [ConfigModule],
          inject: ['URL'],
          useFactory: async (node: string): Promise<ConsistentModuleOptions> => ({
            elasticsearch: { node },
            sweeper: { intervalMs: 60_000 },
          }),
        }),
        FirstModule,
        SecondModule,
      ],
    }).compile();
    await application.init();
    try {
      const [first, second] = [application.get(FirstService).products, application.get(SecondService).products];
      const saved = await first.save(product({ price: '100.0000' }));
      expect(await second.taxed(saved.id)).toBe(119);
      expect(second.events).toBe(application.get(ConsistentEvents));
      expect(application.get(SchedulerRegistry).getIntervals()).toContain(SWEEPER_INTERVAL);
      expect(await application.get(ConsistentService).sweep()).toEqual({
        claimed: 0,
        settled: 0,
        failed: 0,
        parked: 0,
      });
      await second.remove(await second.findOneByOrFail({ id: saved.id }));
      expect(await first.findOneBy({ id: saved.id })).toBeNull();
    } finally {
      await application.close();
    }
    expect(() => application.get(SchedulerRegistry).getInterval(SWEEPER_INTERVAL)).toThrow();
  });

  it('refuses wrong options of forRoot at once, and of forRootAsync at start-up', async () => {
    expect(() => ConsistentModule.forRoot({ elasticsearch: {}, writeTimeoutMs: 1 } as never)).toThrow(
      InvalidOptionsError,
    );
    const starting = Test.createTestingModule({
      imports: [ConsistentModule.forRootAsync({ useFactory: () => ({}) as never })],
    }).compile();
    await expect(starting).rejects.toThrow(InvalidOptionsError);
    await expect(starting).rejects.toThrow(/give `elasticsearch`/);
  });

  it('says what to import when the scheduler is missing', async () => {
    const repository = productRepository(stores.index('unscheduled'));
    const building = Test.createTestingModule({
      imports: [
        database(),
        ConsistentModule.forRoot({ elasticsearch: stores.client }),
        ConsistentModule.forFeature([repository]),
      ],
    });
    const application = await building.compile();
    const starting = application.init();
    await expect(starting).rejects.toThrow(InvalidOptionsError);
    await expect(starting).rejects.toThrow(/ScheduleModule\.forRoot\(\).*sweeper: false/s);
    // Nest 11 cannot close an application whose start failed.
    await application.get(DataSource).destroy();
  });

  it('uses a client of the application and leaves it open; closes one of its own', async () => {
    const client = new Client({ node: elasticsearchUrl() });
    const repository = productRepository(stores.index('clients'));
    const given = await stores.start({
      entities: [Product],
      repositories: [repository],
      module: { elasticsearch: client },
    });
    expect(given.get(CONSISTENT_CLIENT)).toBe(client);
    await given.close();
    await expect(client.cluster.health()).resolves.toMatchObject({ timed_out: false });
    await client.close();
    const own = await stores.start({ entities: [Product], repositories: [repository] });
    const made = own.get<Client>(CONSISTENT_CLIENT);
    await own.close();
    await expect(made.cluster.health()).rejects.toThrow();
  });

  it('names a repository of another DataSource by a token, of the default one by its class', () => {
    expect(getConsistentRepositoryToken(TaxedRepository)).toBe(TaxedRepository);
    expect(getConsistentRepositoryToken(TaxedRepository, 'other')).toBe('ConsistentRepository:TaxedRepository:other');
  });
});
