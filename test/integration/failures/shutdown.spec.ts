import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from '@elastic/elasticsearch';
import { CONSISTENT_CLIENT, ShuttingDownError } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, OPERATIONS, until } from '../../support/faulty.js';

describe('shutdown', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('shutdown');
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const instance = (shutdownTimeoutMs: number, writeTimeoutMs = 20_000) =>
    faulty.instance(
      {},
      {
        // One request for each write: the test holds them one by one.
        module: { writeTimeoutMs, shutdownTimeoutMs, groupCommit: false, sweeper: { intervalMs: 50, leaseMs: 20_000 } },
        elasticsearchNode: faulty.elasticsearch.url,
      },
    );

  it('waits for the writes under way, refuses new ones, and can be asked for twice', async () => {
    const leaving = await instance(60_000);
    const writes = await Promise.all(OPERATIONS.map((operation) => faulty.plan(operation)));
    const batch = await Promise.all([faulty.seed(), faulty.seed()]);
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 4 });
    const running = writes.map((write) => write.run(leaving.products));
    const many = leaving.products.saveMany(batch.map(({ id }) => ({ id, title: 'many' })));
    await until('all are under way', () => faulty.elasticsearch.held === 4);

    let closed = false;
    const closing = leaving.application.close().then(() => (closed = true));
    const late = await faulty.plan('update');
    let refusal: unknown;
    await until('new writes are refused', async () => {
      refusal = await late.run(leaving.products);
      return refusal !== undefined;
    });
    expect(refusal).toBeInstanceOf(ShuttingDownError);
    expect(refusal).toMatchObject({ code: 'SHUTTING_DOWN', retryable: true });
    await expect(leaving.products.saveMany([{ id: late.id, title: 'x' }])).rejects.toThrow(ShuttingDownError);
    await expect(leaving.service.transaction(async () => undefined)).rejects.toThrow(ShuttingDownError);
    expect(closed).toBe(false);

    await faulty.elasticsearch.release();
    expect(await Promise.all(running)).toEqual([undefined, undefined, undefined]);
    expect((await many).map(({ status }) => status)).toEqual(['committed', 'committed']);
    await closing;
    await leaving.application.close();
    for (const write of writes) await expectAgreement(faulty, write.id, write.after);
    for (const { id } of batch) await expectAgreement(faulty, id, 'many');
  });

  it('does not wait for ever: what was still under way is settled by others', async () => {
    const leaving = await instance(100, 500);
    const write = await faulty.plan('update');
    faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    const running = write.run(leaving.products);
    await until('the request is under way', () => faulty.elasticsearch.held === 1);
    await leaving.application.close();
    await faulty.elasticsearch.release();
    await running;
    await faulty.expire(write.id);
    await expectAgreement(faulty, write.id, write.after);
  });

  it("does not wait for ever for an answer that stalls, of the application's own requests", async () => {
    const leaving = await instance(300);
    const { id } = await faulty.seed();
    const path = `/${faulty.stores.index('products')}/_doc/${id}`;
    const fault = faulty.elasticsearch.inject({ kind: 'stall-answer' }, { method: 'GET', path, times: 1 });
    const { transport } = leaving.application.get<Client>(CONSISTENT_CLIENT);
    // Ends with the proxy.
    void transport.request({ method: 'GET', path }).catch(() => undefined);
    await until('the answer has begun', () => fault.hits === 1);
    await leaving.application.close();
  });

  it('reads go on until the connections are closed, and an idle application closes at once', async () => {
    const idle = await instance(60_000);
    await idle.application.close();
    await idle.application.close();
    const write = await faulty.plan('insert');
    expect(await write.run()).toBeUndefined();
  });
});
