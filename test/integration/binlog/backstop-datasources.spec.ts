import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable, Inject } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { TestingModule } from '@nestjs/testing';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { BackstopModule, BackstopService, getBackstopToken } from '../../../src/binlog/index.js';
import { readBackstops, rewindBackstop } from '../../../src/cli/inspect/backstop.reader.js';
import type { Inspection } from '../../../src/cli/inspect/inspected.types.js';
import { ConsistentRegistry } from '../../../src/consistent.registry.js';
import { ConsistentModule, InvalidOptionsError } from '../../../src/index.js';
import { ConsistentHealthIndicator, ConsistentHealthModule } from '../../../src/health/index.js';
import { ConsistentMetricsModule } from '../../../src/observe/metrics.index.js';
import { StatusReport, StatusReportModule } from '../../../src/status/index.js';
import { silentReporter } from '../../../tools/servers/progress.reporter.mjs';
import type { Server } from '../../../tools/servers/server.types.mjs';
import { startMysql } from '../../../tools/servers/servers.mjs';
import { Stores } from '../../support/application.js';
import { until } from '../../support/faulty.js';
import { Product, productRepository } from '../../support/product.js';
import { refusedStart } from '../../support/refused.start.js';
import { leading, productRow } from './backstop.fixture.js';

const START_MS = 300_000;
const ARCHIVE = 'archive';

/** As an application gets them: each by its own token. */
@Injectable()
class BothBackstops {
  constructor(
    @Inject(getBackstopToken()) readonly shop: BackstopService,
    @Inject(getBackstopToken(ARCHIVE)) readonly archive: BackstopService,
  ) {}
}

describe('two DataSources, on two servers, each with a backstop', () => {
  const metrics = new Registry();
  let stores: Stores;
  let server: Server;
  let application: TestingModule;
  let shop: BackstopService;
  let archive: BackstopService;
  let archived: DataSource;

  beforeAll(async () => {
    server = await startMysql({ reporter: silentReporter });
    const url = new URL(server.url);
    const root = await new DataSource({ type: 'mysql', url: url.href }).initialize();
    await root.query('CREATE DATABASE archive');
    await root.destroy();
    stores = await Stores.create('backstop-two');
    const repository = productRepository('unused', { index: (dataSource) => stores.index(dataSource) });
    const options = { checkpointIntervalMs: 50, indexCheckIntervalMs: 200 };
    application = await stores.start({
      entities: [Product],
      repositories: [repository],
      module: { bypassGuard: 'off' },
      providers: [BothBackstops],
      imports: [
        TypeOrmModule.forRoot({
          type: 'mysql',
          name: ARCHIVE,
          host: url.hostname,
          port: Number(url.port),
          username: url.username,
          password: '',
          database: 'archive',
          entities: [Product],
          synchronize: true,
          timezone: 'Z',
          charset: 'utf8mb4',
          retryAttempts: 0,
        }),
        ConsistentModule.forFeature([repository], ARCHIVE),
        BackstopModule.forRoot(options),
        BackstopModule.forRootAsync({ dataSource: ARCHIVE, useFactory: () => options }),
        StatusReportModule,
        ConsistentHealthModule.forRoot({ thresholds: { leaderlessMs: 0 } }),
        ConsistentMetricsModule.forRoot({ registry: metrics }),
      ],
    });
    ({ shop, archive } = application.get(BothBackstops));
    archived = application.get<DataSource>(getDataSourceToken(ARCHIVE));
    await Promise.all([leading(shop), leading(archive)]);
  }, START_MS);

  afterAll(async () => {
    await stores?.close();
    await server?.remove();
  }, START_MS);

  const row = (id: number, title: string): string =>
    `INSERT INTO product (id, sku, title, revision) VALUES ${productRow(id, title)}`;
  const titleOf = async (index: string, id: string): Promise<unknown> =>
    (await stores.document(stores.index(index), id))?.source['title'];

  it('each has a token of its own, and the class is that of the default one', () => {
    expect(application.get(BackstopService)).toBe(shop);
    expect(getBackstopToken('default')).toBe(BackstopService);
    expect(archive).not.toBe(shop);
    expect(archive.status().serverId).not.toBe(shop.status().serverId);
  });

  it('each follows its own log, into its own index', async () => {
    await stores.database.query(row(1, 'in the shop'));
    await archived.query(row(1, 'in the archive'));
    await Promise.all([shop.drained(), archive.drained()]);
    expect(await titleOf('default', '1')).toBe('in the shop');
    expect(await titleOf(ARCHIVE, '1')).toBe('in the archive');
    expect(Object.keys(shop.status().tables)).toEqual([`${stores.database.name}.product`]);
    expect(Object.keys(archive.status().tables)).toEqual(['archive.product']);
    expect(shop.status().checkpoint!.serverUuid).not.toBe(archive.status().checkpoint!.serverUuid);
  });

  it('status page, metrics and health see both, and say which one does not work', async () => {
    const report = application.get(StatusReport);
    const seen = async () =>
      Object.fromEntries((await report.read()).backstops.map(({ dataSource, here }) => [dataSource, here?.state]));
    expect(await seen()).toEqual({ default: 'leading', [ARCHIVE]: 'leading' });
    const isLeading = async (dataSource: string): Promise<boolean> =>
      new RegExp(`backstop_state\\{[^}]*datasource="${dataSource}"[^}]*state="leading"[^}]*\\} 1`).test(
        await metrics.metrics(),
      );
    expect([await isLeading('default'), await isLeading(ARCHIVE)]).toEqual([true, true]);
    await archive.stop();
    try {
      await until('the report sees it', async () => (await seen())[ARCHIVE] === 'stopped');
      expect(await seen()).toEqual({ default: 'leading', [ARCHIVE]: 'stopped' });
      expect([await isLeading('default'), await isLeading(ARCHIVE)]).toEqual([true, false]);
      const health = application.get(ConsistentHealthIndicator);
      const named = async (): Promise<string> => JSON.stringify(Object.values(await health.readiness()));
      await until('the probe names it', async () => (await named()).includes(`backstop \\"default\\" (${ARCHIVE})`));
      expect(await named()).not.toContain('backstop \\"default\\""');
      await stores.database.query(row(2, 'meanwhile'));
      await shop.drained();
      expect(await titleOf('default', '2')).toBe('meanwhile');
    } finally {
      archive.start();
    }
    await leading(archive);
  });

  it('the command line shows both, and wants to be told which one to rewind', async () => {
    const registry = application.get(ConsistentRegistry);
    const inspection = {
      tables: [],
      dataSources: new Map([
        ['default', application.get(DataSource)],
        [ARCHIVE, archived],
      ]),
      backstops: [...registry.backstops].map(({ options }) => options!),
    } as unknown as Inspection;
    const { signal } = new AbortController();
    const facts = await readBackstops(inspection);
    expect(Object.fromEntries(facts.map(({ dataSource, leading: led }) => [dataSource, led]))).toEqual({
      default: true,
      [ARCHIVE]: true,
    });
    expect(await readBackstops(inspection, ARCHIVE)).toMatchObject([{ dataSource: ARCHIVE }]);
    await expect(rewindBackstop(inspection, 'now', undefined, signal)).rejects.toThrow(/--data-source/);
    await expect(rewindBackstop(inspection, 'now', 'nobody', signal)).rejects.toThrow(/nobody/);
    const { serverUuid } = await rewindBackstop(inspection, 'now', ARCHIVE, signal);
    expect(serverUuid).toBe(archive.status().checkpoint!.serverUuid);
    await leading(archive);
  });

  it('a factory cannot choose another DataSource than its token says', async () => {
    const error = await refusedStart(stores, {
      entities: [Product],
      repositories: [productRepository(stores.index('default'))],
      imports: [BackstopModule.forRootAsync({ useFactory: () => ({ dataSource: ARCHIVE, autoStart: false }) })],
    });
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toContain(`forRootAsync({ dataSource: '${ARCHIVE}'`);
  });
});
