import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../../support/faulty.js';
import { elasticsearchUrl } from '../../support/servers.js';
import { BackstopProcess } from './backstop.child.js';
import { BackstopFixture, type BackstopInstance, productRow } from './backstop.fixture.js';

/** Every process loads the whole application. */
const PATIENCE_MS = 240_000;

describe('a backstop that is ended with SIGKILL', () => {
  let fixture: BackstopFixture;
  /** Stands by in this process: it makes the tables, and finds what the others left. */
  let instance: BackstopInstance;
  const processes: BackstopProcess[] = [];

  beforeAll(async () => {
    fixture = await BackstopFixture.create('backstop-crash');
    // Leads once, so that there is a checkpoint from which nothing may be lost.
    instance = await fixture.start();
    await instance.backstop.stop();
  });

  afterEach(async () => {
    await instance.backstop.stop();
    for (const each of processes.splice(0)) await each.kill();
  });

  afterAll(() => fixture.close());

  const launch = (): BackstopProcess => {
    const started = new BackstopProcess({
      connection: fixture.stores.database.connection,
      index: fixture.index,
      elasticsearchNode: elasticsearchUrl(),
      backstop: { checkpointIntervalMs: 20, maxBulkItems: 20 },
    });
    processes.push(started);
    return started;
  };

  it(
    'loses nothing, whenever it ends',
    async () => {
      let stop = false;
      const written = (async (): Promise<number> => {
        let id = 0;
        for (; !stop; id++) {
          await fixture.sql(`INSERT INTO product (id, sku, title, revision) VALUES ${productRow(id + 1, 'new')}`);
          if (id % 2 === 0) await fixture.sql(`UPDATE product SET title = 'changed ${id}' WHERE id = ${1 + (id >> 1)}`);
          await sleep(5);
          if (id % 5 === 0) await fixture.sql(`DELETE FROM product WHERE id = ${1 + (id >> 2)}`);
        }
        return id;
      })();
      try {
        for (const afterMs of [5, 60, 150]) {
          const running = launch();
          await running.leads();
          await sleep(afterMs);
          await running.kill();
        }
      } finally {
        stop = true;
      }
      const rows = await written;
      await fixture.sql(`UPDATE product SET title = CONCAT(title, ' at last') WHERE id % 3 = 0`);
      instance.backstop.start();
      await fixture.expectLeading(instance);
      await fixture.expectAgreement(instance);
      expect(rows).toBeGreaterThan(20);
      expect(instance.backstop.status()).toMatchObject({ degraded: false, pendingRows: 0 });
      await instance.backstop.stop();
    },
    PATIENCE_MS,
  );

  it(
    'is followed by the one that stands by',
    async () => {
      const first = launch();
      await first.leads();
      instance.backstop.start();
      await until('it stands by', () => instance.backstop.status().state === 'standby');
      await fixture.sql(`UPDATE product SET title = 'before the end'`);
      await first.kill();
      await fixture.sql(
        `INSERT INTO product (id, sku, title, revision) VALUES ${productRow(100_000, 'after the end')}`,
      );
      await fixture.expectLeading(instance);
      await fixture.expectAgreement(instance);
      expect((await fixture.documents())['100000']).toBe('after the end');
    },
    PATIENCE_MS,
  );
});
