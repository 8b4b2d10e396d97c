import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { IndexRejectedError, OutcomeUnknownError, RowNotFoundError } from '../../../src/index.js';
import { expectAgreement } from '../../support/agreement.js';
import { BULK, columnsOf, Faulty, freshId } from '../../support/faulty.js';
import { PRODUCT_MAPPINGS } from '../../support/product.js';

/** More than the mapping's `byte` takes, and no trouble for MySQL. */
const REFUSED = 1_000;

describe('a document that the mapping refuses', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    const mappings = { ...PRODUCT_MAPPINGS, properties: { ...PRODUCT_MAPPINGS.properties, stock: { type: 'byte' } } };
    faulty = await Faulty.start('refused', {
      entity: { mappings: mappings as never },
      module: { writeTimeoutMs: 5_000 },
    });
  });
  afterAll(() => faulty.close());

  it('insert: the row is gone again, and the key is free', async () => {
    const write = await faulty.plan('insert', { stock: REFUSED });
    const error = await write.run();
    expect(error).toBeInstanceOf(IndexRejectedError);
    expect(error).toMatchObject({
      code: 'INDEX_REJECTED',
      retryable: false,
      data: {
        entity: 'Product',
        documentId: write.id,
        operation: 'insert',
        status: 400,
        type: 'document_parsing_exception',
      },
    });
    await expectAgreement(faulty, write.id, null);
    await faulty.products.insert({ id: write.id, sku: `again-${write.id}`, title: 'again', stock: 1 });
    await expectAgreement(faulty, write.id, 'again');
  });

  it('update: the row is what it was to every byte, the document was not touched', async () => {
    const seeded = await faulty.seed({
      price: '1234567890123456.7891',
      attributes: { deep: [1.5, null, { emoji: '🎬' }] },
      releasedAt: new Date('2024-02-29T12:34:56.789Z'),
      active: false,
    });
    const before = await faulty.row(seeded.id);
    const document = await faulty.document(seeded.id);
    const change = { id: seeded.id, title: 'x', stock: REFUSED, price: '1.0000', attributes: null, releasedAt: null };
    await expect(faulty.products.update(change)).rejects.toThrow(IndexRejectedError);
    const after = await faulty.row(seeded.id);
    expect(columnsOf(after)).toEqual(columnsOf(before));
    expect(Number(after!.consistency_version)).toBeGreaterThan(Number(before!.consistency_version));
    expect(await faulty.document(seeded.id)).toEqual(document);
    await expectAgreement(faulty, seeded.id, seeded.title, { versionUsedUp: true });
    await faulty.products.update({ id: seeded.id, title: 'y' });
    await expectAgreement(faulty, seeded.id, 'y');
  });

  it("the caller's object is left alone", async () => {
    const seeded = await faulty.seed();
    const given = { id: seeded.id, title: 'x', stock: REFUSED };
    await expect(faulty.products.save(given)).rejects.toThrow(IndexRejectedError);
    expect(given).toEqual({ id: seeded.id, title: 'x', stock: REFUSED });
  });

  it('recover: the row stays soft-removed', async () => {
    const seeded = await faulty.seed();
    await faulty.products.softRemove(seeded);
    // Without a document there is nothing to refuse.
    await faulty.products.update({ id: seeded.id, stock: REFUSED });
    await expect(faulty.products.recover(seeded)).rejects.toThrow(IndexRejectedError);
    expect(await faulty.seen(seeded.id)).toEqual({ repository: null, http: null, index: null });
    expect(await faulty.row(seeded.id)).toMatchObject({
      consistency_state: 'commit',
      stock: REFUSED,
      deletedAt: expect.any(String),
    });
  });

  it('saveMany: neighbours in the same bulk are unharmed, each has its own outcome', async () => {
    const [first, second] = [await faulty.seed(), await faulty.seed()];
    const inserted = [freshId(), freshId()];
    const outcomes = await faulty.products.saveMany([
      { id: first.id, title: 'first, new' },
      { id: second.id, title: 'second, new', stock: REFUSED },
      { id: inserted[0], sku: `many-${inserted[0]}`, title: 'third', stock: REFUSED },
      { id: inserted[1], sku: `many-${inserted[1]}`, title: 'fourth' },
      { id: freshId(), sku: first.sku, title: 'a duplicate' },
    ] as never[]);
    expect(
      outcomes.map((outcome) => (outcome.status === 'failed' ? outcome.error.constructor.name : outcome.status)),
    ).toEqual(['committed', 'IndexRejectedError', 'IndexRejectedError', 'committed', 'QueryFailedError']);
    await expectAgreement(faulty, first.id, 'first, new');
    await expectAgreement(faulty, second.id, second.title, { versionUsedUp: true });
    await expectAgreement(faulty, inserted[0]!, null);
    await expectAgreement(faulty, inserted[1]!, 'fourth');
  });

  it('is refused before anybody knew: a request that timed out first stays unknown, and is undone by the race', async () => {
    const seeded = await faulty.seed();
    faulty.elasticsearch.inject({ kind: 'cut-after' }, { ...BULK, times: 1 });
    const write = faulty.products.update({ id: seeded.id, stock: REFUSED });
    await expect(write).rejects.toThrow(OutcomeUnknownError);
    await faulty.expire(seeded.id);
    await expectAgreement(faulty, seeded.id, seeded.title);
    await expect(faulty.products.update({ id: freshId(), title: 'nobody' })).rejects.toThrow(RowNotFoundError);
  });
});
