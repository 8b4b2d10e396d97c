import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Fault, FaultProxy, RequestMatch } from '../../../src/testing/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, COMMIT, Faulty, FLIP, OPERATIONS, type PlannedWrite, REMOVAL, until } from '../../support/faulty.js';
import { product } from '../../support/product.js';
import { WriterProcess } from '../../support/writer.js';

const WRITES = OPERATIONS.length;

/** A process that is ended with SIGKILL while it writes. Another process settles what it leaves. */
describe('kill -9 of a writer process', () => {
  let faulty: Faulty;
  let writer: WriterProcess;
  let writes: PlannedWrite[];

  beforeAll(async () => {
    faulty = await Faulty.start('killed');
  });
  afterEach(async () => {
    await writer.kill();
    await faulty.heal();
  });
  afterAll(() => faulty.close());

  /** Begins one write of each kind, and kills the process when all have met the fault. */
  async function killAt(proxy: FaultProxy, fault: Fault, ...matches: RequestMatch[]): Promise<void> {
    writer = await WriterProcess.start(faulty);
    writes = await Promise.all(OPERATIONS.map((operation) => faulty.plan(operation)));
    const faults = matches.map((match) => proxy.inject(fault, match));
    for (const { operation, id } of writes) {
      const entity = operation === 'insert' ? product({ id, title: 'new title' }) : { id, title: 'new title' };
      writer.begin({ operation, entity });
    }
    const met = () => faults.reduce((sum, { hits }) => sum + hits, 0);
    await until('every write has come to the step', () => met() >= WRITES);
    await writer.kill();
    expect(writer.ended).toEqual([]);
  }

  /** Drops what is held: it never arrives. */
  async function lose(proxy: FaultProxy): Promise<void> {
    await proxy.stop();
    await proxy.start();
  }

  const pendingIds = () => writes.map(({ id }) => id).toSorted();

  async function settle(fate: 'before' | 'after'): Promise<void> {
    await faulty.expire();
    const { settled, failed } = await faulty.otherService.sweep();
    expect({ settled, failed }).toEqual({ settled: WRITES, failed: 0 });
    for (const write of writes) await expectAgreement(faulty, write.id, write[fate]);
  }

  it("before the prepare's commit: nothing happened", async () => {
    await killAt(faulty.mysql, { kind: 'hold' }, COMMIT);
    await lose(faulty.mysql);
    await until('MySQL has rolled back', async () => (await faulty.undecided()).length === 0);
    expect(faulty.elasticsearch.requests.some(({ path }) => path.includes(BULK.path))).toBe(false);
    for (const write of writes) await expectAgreement(faulty, write.id, write.before);
  });

  it("in the prepare's commit: it arrives when the process is gone", async () => {
    await killAt(faulty.mysql, { kind: 'hold' }, COMMIT);
    expect(await faulty.mysql.release()).toBe(WRITES);
    expect(await faulty.undecided()).toEqual(pendingIds());
    for (const { id, before } of writes) {
      expect(await faulty.seen(id)).toEqual({ repository: before, http: before, index: before });
    }
    await settle('before');
  });

  it('after the prepare, before the index request', async () => {
    await killAt(faulty.mysql, { kind: 'delay', answerMs: 60_000 }, COMMIT);
    await until('all are prepared', async () => (await faulty.undecided()).length === WRITES);
    await settle('before');
  });

  it('during the index request, which never arrives', async () => {
    await killAt(faulty.elasticsearch, { kind: 'hold' }, BULK);
    await lose(faulty.elasticsearch);
    expect(await faulty.undecided()).toEqual(pendingIds());
    await settle('before');
  });

  it('during the index request, which arrives before anybody settles', async () => {
    await killAt(faulty.elasticsearch, { kind: 'hold' }, BULK);
    expect(await faulty.elasticsearch.release()).toBe(WRITES);
    for (const { id, after } of writes) {
      expect(await faulty.seen(id)).toEqual({ repository: after, http: after, index: after });
    }
    expect(await faulty.undecided()).toEqual([]);
    for (const write of writes) await expectAgreement(faulty, write.id, write.after);
  });

  it('during the index request, which arrives after it was settled', async () => {
    await killAt(faulty.elasticsearch, { kind: 'hold' }, BULK);
    await settle('before');
    expect(await faulty.elasticsearch.release()).toBe(WRITES);
    for (const write of writes) await expectAgreement(faulty, write.id, write.before);
  });

  it('after the index request, before the commit', async () => {
    await killAt(faulty.mysql, { kind: 'hold' }, FLIP, REMOVAL);
    await lose(faulty.mysql);
    expect(await faulty.undecided()).toEqual(pendingIds());
    await settle('after');
  });
});
