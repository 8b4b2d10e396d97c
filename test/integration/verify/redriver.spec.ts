import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConsistentRegistry } from '../../../src/consistent.registry.js';
import type { EntityContext } from '../../../src/entity/entity.context.js';
import { keyOfImage, type RowKey } from '../../../src/entity/row.key.js';
import type { RedriveKey, RedriveResult } from '../../../src/settle/redriver.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, Faulty, MGET, NEW, OLD } from '../../support/faulty.js';
import { type Product, PRODUCT_MAPPINGS } from '../../support/product.js';
import { SeededProducts } from '../../support/seeded.products.js';

const TIMEOUT_MS = 30_000;

describe('driving rows again as they are', () => {
  let faulty: Faulty;
  let rows: SeededProducts;
  let context: EntityContext;
  let registry: ConsistentRegistry;

  beforeAll(async () => {
    const when = ({ stock }: Product) => stock !== 0;
    // A stock over 127 is no byte: refused.
    const properties = { ...PRODUCT_MAPPINGS.properties, stock: { type: 'byte' } } as const;
    const entity = { when, mappings: { ...PRODUCT_MAPPINGS, properties } };
    faulty = await Faulty.start('redriver', { entity, module: { writeTimeoutMs: 5_000 } });
    rows = new SeededProducts(faulty);
    registry = faulty.application.get(ConsistentRegistry);
    context = registry.all()[0]!;
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const keyOf = (id: string): RowKey => keyOfImage(context.binding, { id });

  async function redrive(ids: string[], timeoutMs = TIMEOUT_MS): Promise<RedriveResult[]> {
    const results = await registry.redriver.redrive(context, ids.map(keyOf), { timeoutMs });
    return ids.map((id) => results.get(keyOf(id).id)!);
  }

  /** SQL around the library. */
  async function sql(statement: string, ...values: unknown[]): Promise<void> {
    await faulty.stores.database.query(statement, values);
  }

  it('a row that was changed by SQL: its document follows, and nothing else of the row changes', async () => {
    const { id } = await faulty.seed();
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id = ?', NEW, id);
    const before = await faulty.row(id);
    expect(await redrive([id])).toEqual(['redriven']);
    await expectAgreement(faulty, id, NEW);
    const after = await faulty.row(id);
    expect({ ...after, consistency_version: before!.consistency_version }).toEqual(before);
    expect(Number(after!.consistency_version)).toBeGreaterThan(Number(before!.consistency_version));
  });

  it('a document that is ahead of the row, or far ahead of the clock: written above it', async () => {
    const [near, far, plain] = [await faulty.seed(), await faulty.seed(), await faulty.seed()];
    await rows.foreign(near.id, (await rows.versionOf(near.id)) + 1_000, { id: near.id, title: 'foreign' });
    const future = (await rows.versionOf(far.id)) + 3_600_000_000;
    await rows.foreign(far.id, future, { id: far.id, title: 'foreign' });
    expect(await redrive([near.id, far.id, plain.id])).toEqual(['redriven', 'redriven', 'redriven']);
    for (const { id } of [near, far, plain]) await expectAgreement(faulty, id, OLD);
    expect(await rows.versionOf(far.id)).toBe(future + 1);
    // A neighbour is not carried into the future.
    expect(await rows.versionOf(plain.id)).toBeLessThan(future);
  });

  it('a document without a row: deleted at its version + 1, and an insert after it is above', async () => {
    const { id } = await faulty.seed();
    const version = await rows.versionOf(id);
    await sql('DELETE FROM product WHERE id = ?', id);
    expect(await redrive([id])).toEqual(['removed']);
    await expectAgreement(faulty, id, null);
    const put = (at: number) =>
      faulty.stores.client.index({
        index: faulty.stores.index('products'),
        id,
        version: at,
        version_type: 'external',
        document: { id },
      });
    await expect(put(version + 1)).rejects.toMatchObject({ statusCode: 409 });
    await expect(put(version + 2)).resolves.toMatchObject({ result: 'created' });
    await rows.foreign(id, version + 3, null);
  });

  it('neither row nor document: unchanged', async () => {
    expect(await redrive(['424242'])).toEqual(['unchanged']);
  });

  it('a row without a document by rule: its document is taken away through the protocol', async () => {
    const [deleted, left, none] = [await faulty.seed(), await faulty.seed(), await faulty.seed({ stock: 0 })];
    await sql('UPDATE product SET deletedAt = UTC_TIMESTAMP(6), updatedAt = updatedAt WHERE id = ?', deleted.id);
    await sql('UPDATE product SET stock = 0, updatedAt = updatedAt WHERE id = ?', left.id);
    const version = await rows.versionOf(left.id);
    expect(await redrive([deleted.id, left.id, none.id])).toEqual(['removed', 'removed', 'unchanged']);
    for (const { id } of [deleted, left]) {
      expect(await faulty.document(id)).toBeUndefined();
      expect(await faulty.row(id)).toMatchObject({ consistency_state: 'commit', consistency_pending: null });
    }
    expect(await rows.versionOf(left.id)).toBeGreaterThan(version);
  });

  it('a row in prepare: settled first, then driven as it is', async () => {
    const write = await faulty.abandon('update');
    await faulty.expire(write.id);
    expect(await redrive([write.id])).toEqual(['redriven']);
    await expectAgreement(faulty, write.id, OLD);
  });

  it('a row that stays in flight: RowBusyError, and nothing is changed', async () => {
    const write = await faulty.abandon('update');
    const before = await faulty.row(write.id);
    expect(await redrive([write.id], 1_000)).toEqual([expect.objectContaining({ code: 'ROW_BUSY', retryable: true })]);
    expect(await faulty.row(write.id)).toEqual(before);
    await faulty.expire(write.id);
    await expectAgreement(faulty, write.id, OLD);
  });

  it('a document that Elasticsearch refuses: that row alone, restored; its neighbour is driven', async () => {
    const [good, bad] = [await faulty.seed(), await faulty.seed()];
    await sql('UPDATE product SET stock = 1000, title = ?, updatedAt = updatedAt WHERE id = ?', NEW, bad.id);
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id = ?', NEW, good.id);
    const document = await faulty.document(bad.id);
    expect(await redrive([bad.id, good.id])).toEqual([expect.objectContaining({ code: 'INDEX_REJECTED' }), 'redriven']);
    expect(await faulty.document(bad.id)).toEqual(document);
    expect(await faulty.row(bad.id)).toMatchObject({ consistency_state: 'commit', title: NEW });
    await expectAgreement(faulty, good.id, NEW);
  });

  it('a row that cannot become a document: that row alone', async () => {
    const [good, bad] = [await faulty.seed(), await faulty.seed()];
    const throwing = await faulty.instance({
      toDocument: (entity, document) => {
        if (entity.id === bad.id) throw new Error('no document of this one');
        return document;
      },
    });
    const others = throwing.application.get(ConsistentRegistry);
    const results = await others.redriver.redrive(others.all()[0]!, [good.id, bad.id].map(keyOf), {
      timeoutMs: TIMEOUT_MS,
    });
    expect(results.get(bad.id)).toMatchObject({ code: 'INVALID_DOCUMENT' });
    expect(results.get(good.id)).toBe('redriven');
    expect(await faulty.row(bad.id)).toMatchObject({ consistency_state: 'commit' });
  });

  it('an answer that is lost: OutcomeUnknownError, and the row is settled like any other', async () => {
    const { id } = await faulty.seed();
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id = ?', NEW, id);
    faulty.elasticsearch.inject({ kind: 'cut-after' }, { ...BULK, times: 1 });
    expect(await redrive([id])).toEqual([expect.objectContaining({ code: 'OUTCOME_UNKNOWN' })]);
    await expectAgreement(faulty, id, NEW);
  });

  it('Elasticsearch away for a moment: looked at again; away for longer: an error, nothing changed', async () => {
    const { id } = await faulty.seed();
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id = ?', NEW, id);
    faulty.elasticsearch.inject({ kind: 'answer', status: 503 }, { ...MGET, times: 2 });
    expect(await redrive([id])).toEqual(['redriven']);
    const version = await rows.versionOf(id);
    await faulty.elasticsearch.stop();
    expect(await redrive([id], 1_000)).toEqual([expect.objectContaining({ code: 'LOOK_FAILED', retryable: true })]);
    expect(await rows.versionOf(id)).toBe(version);
  });

  it('a delete whose answer is lost: sent again, without harm', async () => {
    const { id } = await faulty.seed();
    await sql('DELETE FROM product WHERE id = ?', id);
    faulty.elasticsearch.inject({ kind: 'cut-after' }, { ...BULK, times: 1 });
    // Gone at the second look: whether by this delete or another cannot be told.
    expect(['removed', 'unchanged']).toContain((await redrive([id]))[0]);
    await expectAgreement(faulty, id, null);
  });

  it('a document that is replaced in the middle: looked at again, written above', async () => {
    const { id } = await faulty.seed();
    const hold = faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    const running = redrive([id]);
    await hold.reached();
    const theirs = (await rows.versionOf(id)) + 1_000;
    await rows.foreign(id, theirs, { id, title: 'foreign' });
    await faulty.elasticsearch.release();
    // The lift keeps the write undecided until its deadline: the answer says so, and a second call ends it.
    expect(await running).toEqual([expect.objectContaining({ code: 'OUTCOME_UNKNOWN' })]);
    await faulty.expire(id);
    expect(await redrive([id])).toEqual(['redriven']);
    await expectAgreement(faulty, id, OLD);
    expect(await rows.versionOf(id)).toBeGreaterThan(theirs);
  });

  it('an orphan whose key is inserted meanwhile: the insert wins', async () => {
    const { id } = await faulty.seed();
    await sql('DELETE FROM product WHERE id = ?', id);
    const hold = faulty.elasticsearch.inject({ kind: 'hold' }, { ...BULK, times: 1 });
    const running = redrive([id]);
    await hold.reached();
    await faulty.others.insert({ id, sku: `again-${id}`, title: NEW });
    await faulty.elasticsearch.release();
    expect(await running).toEqual(['redriven']);
    await expectAgreement(faulty, id, NEW);
  });

  it('a row that a foreign transaction has locked: waited for', async () => {
    const { id } = await faulty.seed();
    const runner = context.binding.dataSource.createQueryRunner('master');
    await runner.startTransaction();
    await runner.query('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id = ?', [NEW, id]);
    expect(await redrive([id], 1_000)).toEqual([expect.objectContaining({ code: 'ROW_BUSY' })]);
    const running = redrive([id]);
    await runner.commitTransaction();
    await runner.release();
    expect(await running).toEqual(['redriven']);
    await expectAgreement(faulty, id, NEW);
  });

  it('many rows at once, each with an answer of its own', async () => {
    const ids = await rows.seed(450);
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id IN (?)', NEW, ids);
    await sql('DELETE FROM product WHERE id IN (?)', ids.slice(0, 20));
    const results = await redrive(ids);
    expect(results).toEqual(ids.map((_, at) => (at < 20 ? 'removed' : 'redriven')));
    for (const at of [0, 19, 20, 449]) await expectAgreement(faulty, ids[at]!, at < 20 ? null : NEW);
    expect(await faulty.undecided()).toEqual([]);
  });

  it('a document under another spelling than its row: only that document goes', async () => {
    const { id } = await faulty.seed();
    const stray: RedriveKey = { ...keyOf(id), documentId: `stray-${id}` };
    await rows.foreign(stray.documentId!, 7, { id: stray.documentId!, title: 'stray' });
    const results = await registry.redriver.redrive(context, [stray], { timeoutMs: TIMEOUT_MS });
    expect(results.get(stray.id)).toBe('removed');
    expect(await faulty.document(stray.documentId!)).toBeUndefined();
    await expectAgreement(faulty, id, OLD);
  });

  it("decider 'mysql': decided at once, driven to the index", async () => {
    const { id } = await faulty.seed();
    const available = await faulty.instance({ decider: 'mysql' }, { elasticsearchNode: faulty.elasticsearch.url });
    const own = available.application.get(ConsistentRegistry);
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id = ?', NEW, id);
    faulty.elasticsearch.inject({ kind: 'cut-before' }, { ...BULK, times: 1 });
    const results = await own.redriver.redrive(own.all()[0]!, [keyOf(id)], { timeoutMs: TIMEOUT_MS });
    expect(results.get(keyOf(id).id)).toBe('redriven');
    await expectAgreement(faulty, id, NEW);
  });

  it('a shutdown: refused', async () => {
    const late = await faulty.instance({});
    const own = late.application.get(ConsistentRegistry);
    await own.writer.drain(1_000);
    await expect(own.redriver.redrive(own.all()[0]!, [keyOf('1')], { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'SHUTTING_DOWN',
    });
  });
});
