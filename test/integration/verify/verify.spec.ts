import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { VerificationInterruptedError, type VerifyOptions, type VerifyProgress } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { Faulty, MGET, NEW, OLD, until } from '../../support/faulty.js';
import { Product, PRODUCT_MAPPINGS } from '../../support/product.js';
import { SeededProducts } from '../../support/seeded.products.js';

const CLEAN = { missing: 0, stale: 0, foreign: 0, orphaned: 0, repaired: 0, failed: 0, unchecked: 0 };

describe('verification', () => {
  let faulty: Faulty;
  let rows: SeededProducts;

  beforeAll(async () => {
    const when = ({ stock }: Product) => stock !== 0;
    // A stock over 127 is no byte: refused.
    const properties = { ...PRODUCT_MAPPINGS.properties, stock: { type: 'byte' } } as const;
    const entity = { when, mappings: { ...PRODUCT_MAPPINGS, properties } };
    faulty = await Faulty.start('verify', { entity, module: { writeTimeoutMs: 5_000 } });
    rows = new SeededProducts(faulty);
  });
  afterEach(async () => {
    await faulty.heal();
    await faulty.expire();
    await verify({ repair: true });
  });
  afterAll(() => faulty.close());

  const verify = (options: VerifyOptions = {}) => faulty.service.verify(Product, { graceMs: 20, ...options });

  async function sql(statement: string, ...values: unknown[]): Promise<void> {
    await faulty.stores.database.query(statement, values);
  }

  async function sourceOf(id: string): Promise<Record<string, unknown>> {
    return (await faulty.document(id))!.source;
  }

  it('agreement: counted, nothing found, nothing written', async () => {
    await rows.seed(30);
    await faulty.seed({ stock: 0 });
    await faulty.others.softRemove(await faulty.seed());
    const before = await faulty.stores.database.query('SELECT * FROM product ORDER BY id');
    const result = await verify({ repair: true });
    expect(result).toMatchObject({ ...CLEAN, entity: 'Product', consistent: true, examples: [], reasons: [] });
    expect(result.rows).toBe(before.length);
    expect(await faulty.stores.database.query('SELECT * FROM product ORDER BY id')).toEqual(before);
    expect(result.documents).toBe(before.filter(({ stock, deletedAt }) => stock !== 0 && deletedAt === null).length);
    expect(await verify({ depth: 'version' })).toMatchObject({ ...CLEAN, rows: before.length, consistent: true });
  });

  it('every kind of difference is found, and repaired', async () => {
    const [missing, stale, older, newer, gone, soft, left] = await Promise.all(
      Array.from({ length: 7 }, () => faulty.seed()),
    );
    await rows.foreign(missing!.id, (await rows.versionOf(missing!.id)) + 1, null);
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id = ?', NEW, stale!.id);
    await sql(
      'UPDATE product SET title = ?, updatedAt = updatedAt, consistency_version = consistency_version + 5 WHERE id = ?',
      NEW,
      older!.id,
    );
    await rows.foreign(newer!.id, (await rows.versionOf(newer!.id)) + 9, { id: newer!.id, title: 'foreign' });
    await sql('DELETE FROM product WHERE id = ?', gone!.id);
    await sql('UPDATE product SET deletedAt = UTC_TIMESTAMP(6), updatedAt = updatedAt WHERE id = ?', soft!.id);
    await sql('UPDATE product SET stock = 0, updatedAt = updatedAt WHERE id = ?', left!.id);
    await rows.foreign('no number', 4, { id: 'no number' });

    const found = await verify();
    expect(found).toMatchObject({ missing: 1, stale: 2, foreign: 1, orphaned: 4, repaired: 0, consistent: false });
    const kinds = Object.fromEntries(found.examples.map(({ documentId, kind }) => [documentId, kind]));
    expect(kinds).toEqual({
      [missing!.id]: 'missing',
      [stale!.id]: 'stale',
      [older!.id]: 'stale',
      [newer!.id]: 'foreign',
      [gone!.id]: 'orphaned',
      [soft!.id]: 'orphaned',
      [left!.id]: 'orphaned',
      'no number': 'orphaned',
    });
    // Versions alone tell all but a changed content.
    expect(await verify({ depth: 'version' })).toMatchObject({ missing: 1, stale: 1, foreign: 1, orphaned: 4 });

    expect(await verify({ repair: true })).toMatchObject({ repaired: 8, failed: 0, consistent: true });
    expect(await verify()).toMatchObject({ ...CLEAN, consistent: true });
    for (const { id } of [missing!, newer!]) await expectAgreement(faulty, id, OLD);
    for (const { id } of [stale!, older!]) await expectAgreement(faulty, id, NEW);
    for (const id of [gone!.id, soft!.id, left!.id, 'no number']) expect(await faulty.document(id)).toBeUndefined();
  });

  it('an adopted document and a refused write are agreement; the same contents without the marker are not', async () => {
    const [adopted, refused, unmarked] = await Promise.all([faulty.seed(), faulty.seed(), faulty.seed()]);
    const adoptedAt = (await rows.versionOf(adopted.id)) + 1_000;
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id = ?', NEW, adopted.id);
    const adoptedSource = { ...(await sourceOf(adopted.id)), title: NEW };
    await rows.foreign(adopted.id, adoptedAt, { consistency_restored: adoptedAt, ...adoptedSource });
    await expect(faulty.products.update({ id: refused.id, stock: 1_000 })).rejects.toMatchObject({
      code: 'INDEX_REJECTED',
    });
    expect(await rows.versionOf(refused.id)).toBeGreaterThan((await faulty.document(refused.id))!.version);
    expect(await verify()).toMatchObject({ ...CLEAN, consistent: true });
    expect(await verify({ depth: 'version' })).toMatchObject({ ...CLEAN, consistent: true });

    await rows.foreign(unmarked.id, (await rows.versionOf(unmarked.id)) + 1_000, await sourceOf(unmarked.id));
    expect(await verify()).toMatchObject({ ...CLEAN, foreign: 1 });
  });

  it('the same document in other words is the same', async () => {
    const { id } = await faulty.seed({ attributes: { big: 1, list: [1, 2] } });
    const { attributes, ...rest } = await sourceOf(id);
    const turned = Object.fromEntries(Object.entries(rest).reverse());
    const version = await rows.versionOf(id);
    await sql('UPDATE product SET consistency_version = ?, updatedAt = updatedAt WHERE id = ?', version + 1, id);
    await rows.foreign(id, version + 1, { attributes, ...turned });
    expect(await verify()).toMatchObject({ ...CLEAN, consistent: true });
  });

  it('digits beyond double precision count', async () => {
    const { id } = await faulty.seed();
    await sql(`UPDATE product SET attributes = '{"n": 9007199254740993}', updatedAt = updatedAt WHERE id = ?`, id);
    await verify({ repair: true });
    await sql(`UPDATE product SET attributes = '{"n": 9007199254740992}', updatedAt = updatedAt WHERE id = ?`, id);
    expect(await verify()).toMatchObject({ ...CLEAN, stale: 1 });
  });

  it('a row that is written between every two steps is no difference', async () => {
    const { id } = await faulty.seed();
    // The row is read, its document is not yet: then a write goes through both.
    let hold = faulty.elasticsearch.inject({ kind: 'hold' }, { ...MGET, times: 1 });
    const running = verify({ graceMs: 0, depth: 'version' });
    for (const title of ['second', 'third', 'fourth']) {
      await hold.reached();
      await faulty.others.update({ id, title });
      hold = faulty.elasticsearch.inject({ kind: 'hold' }, { ...MGET, times: title === 'fourth' ? 0 : 1 });
      await faulty.elasticsearch.release();
    }
    expect(await running).toMatchObject({ ...CLEAN, consistent: true });
    await expectAgreement(faulty, id, 'fourth');
  });

  it('a row that is inserted and removed between two steps is no orphan, and no row without a document', async () => {
    const { id } = await faulty.seed();
    await faulty.stores.client.indices.refresh({ index: faulty.stores.index('products') });
    const hold = faulty.elasticsearch.inject({ kind: 'hold' }, { ...MGET, times: 1 });
    const running = verify({ graceMs: 0, repair: true });
    await hold.reached();
    await faulty.others.remove({ id } as Product);
    const again = faulty.elasticsearch.inject({ kind: 'hold' }, { ...MGET, times: 1 });
    await faulty.elasticsearch.release();
    await again.reached();
    await faulty.others.insert({ id, sku: `again-${id}`, title: NEW });
    await faulty.elasticsearch.release();
    expect(await running).toMatchObject({ ...CLEAN, consistent: true });
    await expectAgreement(faulty, id, NEW);
  });

  it('a difference that is adopted within the time of grace is none', async () => {
    const { id } = await faulty.seed();
    const adopted = { ...(await sourceOf(id)), title: NEW };
    const at = (await rows.versionOf(id)) + 1_000;
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id = ?', NEW, id);
    // The first comparison, and the first of the second looks.
    faulty.elasticsearch.inject({ kind: 'pass' }, { ...MGET, times: 2 });
    const hold = faulty.elasticsearch.inject({ kind: 'hold' }, { ...MGET, times: 1 });
    const running = verify();
    await hold.reached();
    await rows.foreign(id, at, { consistency_restored: at, ...adopted });
    await faulty.elasticsearch.release();
    expect(await running).toMatchObject({ ...CLEAN, consistent: true });
  });

  it('rows in prepare: settled, or left alone and told', async () => {
    const [expired, busy] = [await faulty.abandon('update'), await faulty.abandon('insert')];
    await faulty.expire(expired.id);
    const short = await faulty.instance({}, { module: { busyTimeoutMs: 100 } });
    const result = await short.service.verify(Product, { graceMs: 10 });
    expect(result).toMatchObject({ ...CLEAN, unchecked: 1, consistent: false });
    expect(result.reasons).toEqual([expect.stringMatching(new RegExp(`${busy.id}.*under way`))]);
    await expectAgreement(faulty, expired.id, OLD);
    expect(await faulty.undecided()).toEqual([busy.id]);
    await faulty.expire(busy.id);
  });

  it('a row that cannot be repaired: counted as failed, with the reason', async () => {
    const { id } = await faulty.seed();
    await sql('UPDATE product SET stock = 1000, updatedAt = updatedAt WHERE id = ?', id);
    const result = await verify({ repair: true });
    expect(result).toMatchObject({ stale: 1, repaired: 0, failed: 1, consistent: false });
    expect(result.examples).toEqual([
      expect.objectContaining({ documentId: id, repair: expect.stringMatching(/refuses/) }),
    ]);
    await sql('UPDATE product SET stock = 7, updatedAt = updatedAt WHERE id = ?', id);
  });

  it('a row that cannot become a document: unchecked, with the reason; its neighbours are compared', async () => {
    const [bad, stale] = [await faulty.seed(), await faulty.seed()];
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id = ?', NEW, stale.id);
    const { service } = await faulty.instance({
      documentId: ({ id }) => (id === bad.id ? 'x'.repeat(513) : id!),
    });
    const result = await service.verify(Product, { graceMs: 10, maxExamples: 10 });
    expect(result).toMatchObject({ stale: 1, missing: 0, consistent: false });
    expect(result.reasons).toEqual(expect.arrayContaining([expect.stringMatching(/513 bytes/)]));
  });

  it('many differences: counted exactly, listed up to the limit, repaired', async () => {
    const ids = await rows.seed(500);
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id IN (?)', NEW, ids.slice(0, 300));
    await sql('DELETE FROM product WHERE id IN (?)', ids.slice(300));
    const result = await verify({ maxExamples: 7, batchSize: 64 });
    expect(result).toMatchObject({ ...CLEAN, stale: 300, orphaned: 200 });
    expect(result.examples).toHaveLength(7);
    expect(await verify({ repair: true, maxExamples: 0, batchSize: 64 })).toMatchObject({
      repaired: 500,
      failed: 0,
      consistent: true,
      examples: [],
    });
    expect(await verify()).toMatchObject({ ...CLEAN, consistent: true });
  });

  it('given up and gone on with: nothing twice, nothing left out', async () => {
    const ids = await rows.seed(40);
    await sql('UPDATE product SET title = ?, updatedAt = updatedAt WHERE id IN (?)', NEW, ids);
    const whole = await verify();
    const controller = new AbortController();
    const seen: VerifyProgress[] = [];
    const onProgress = (progress: VerifyProgress) => {
      seen.push(progress);
      if (seen.length === 4) controller.abort();
    };
    const error = (await verify({ batchSize: 10, signal: controller.signal, onProgress }).catch(
      (reason: unknown) => reason,
    )) as VerificationInterruptedError;
    expect(error).toMatchObject({ code: 'VERIFICATION_INTERRUPTED', retryable: true });
    expect(seen.at(-1)!.rows).toBeLessThan(whole.rows);
    const rest = await verify({ batchSize: 10, from: error.data['cursor'] as string });
    const { seconds: _, examples: __, ...counts } = rest;
    const { seconds: _s, examples: _e, ...expected } = whole;
    expect(counts).toEqual(expected);
    // The same from what is kept, in another instance.
    const again = new AbortController();
    await expect(
      verify({ batchSize: 10, signal: again.signal, onProgress: ({ rows: at }) => at >= 20 && again.abort() }),
    ).rejects.toMatchObject({ code: 'VERIFICATION_INTERRUPTED' });
    expect(await faulty.otherService.lastVerification(Product)).toMatchObject({ state: 'interrupted' });
    let first = 0;
    const resumed = await faulty.otherService.verify(Product, {
      resume: true,
      graceMs: 20,
      batchSize: 10,
      onProgress: ({ rows: at }) => (first ||= at),
    });
    expect(first).toBeGreaterThan(20);
    expect(resumed).toMatchObject({ rows: whole.rows, stale: whole.stale });
    expect(await faulty.service.lastVerification(Product)).toMatchObject({
      state: 'complete',
      cursor: null,
      result: { rows: whole.rows, stale: whole.stale },
    });
  });

  it.each(['/_mget', '/_pit', '/_search'])('Elasticsearch fails at %s for a moment: not noticed', async (path) => {
    await faulty.seed();
    const fault = faulty.elasticsearch.inject({ kind: 'answer', status: 503 }, { method: 'POST', path, times: 1 });
    expect(await verify()).toMatchObject({ ...CLEAN, consistent: true });
    expect(fault.hits).toBe(1);
  });

  it('Elasticsearch fails in the middle: an error to go on from', async () => {
    await rows.seed(30);
    const whole = await verify();
    let batches = 0;
    const error = (await verify({
      batchSize: 10,
      concurrency: 1,
      timeoutMs: 500,
      onProgress: () => {
        if (++batches === 2) faulty.elasticsearch.inject({ kind: 'cut-before' }, MGET);
      },
    }).catch((reason: unknown) => reason)) as VerificationInterruptedError;
    expect(error).toMatchObject({ code: 'VERIFICATION_INTERRUPTED', data: { rows: 20 } });
    await faulty.heal();
    const rest = await verify({ from: error.data['cursor'] as string });
    expect(rest).toMatchObject({ ...CLEAN, rows: whole.rows, documents: whole.documents, consistent: true });
  });

  it('no answer is not taken for absence', async () => {
    await faulty.seed();
    faulty.elasticsearch.inject({ kind: 'answer', body: '{"docs":[]}' }, { ...MGET, times: 1 });
    expect(await verify({ repair: true })).toMatchObject({ ...CLEAN, consistent: true });
  });

  it('one run per table at a time, in all instances', async () => {
    await faulty.seed();
    const hold = faulty.elasticsearch.inject({ kind: 'hold' }, { ...MGET, times: 1 });
    const running = verify();
    await hold.reached();
    await expect(faulty.otherService.verify(Product)).rejects.toMatchObject({
      code: 'VERIFICATION_RUNNING',
      retryable: true,
    });
    await faulty.elasticsearch.release();
    await running;
    await expect(faulty.otherService.verify(Product)).resolves.toMatchObject({ consistent: true });
  });

  it('not faster than it may be', async () => {
    await rows.seed(20);
    const result = await verify({ batchSize: 5, maxRowsPerSecond: 500 });
    // However slow the machine is, it can only be slower.
    expect((result.rows + result.documents) / result.seconds).toBeLessThanOrEqual(500);
  });

  it('options that are not usable, and targets that are not registered', async () => {
    await expect(verify({ batchSize: 0 })).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
    await expect(verify({ from: 'nonsense' })).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
    await expect(async () => faulty.service.verify(Date)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
  });

  it('no index behind the alias: said so, nothing concluded', async () => {
    const { client } = faulty.stores;
    const alias = faulty.stores.index('products');
    const [index] = Object.keys(await client.indices.getAlias({ name: alias }));
    await client.indices.deleteAlias({ index: index!, name: alias });
    await expect(verify({ repair: true })).rejects.toMatchObject({ code: 'INDEX_MISSING', retryable: false });
    await client.indices.putAlias({ index: index!, name: alias, is_write_index: true });
    await until('the alias is back', async () => client.indices.existsAlias({ name: alias }));
    expect(await faulty.undecided()).toEqual([]);
  });
});
