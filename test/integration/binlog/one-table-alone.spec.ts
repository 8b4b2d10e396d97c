import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { createConnection } from 'mysql2/promise';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { BackstopModule, BackstopService } from '../../../src/binlog/index.js';
import { Consistency, defineConsistentRepository } from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { until } from '../../support/faulty.js';
import { Product, productRepository } from '../../support/product.js';
import { leading, productRow } from './backstop.fixture.js';

@Entity('note')
class Note {
  @PrimaryColumn() id!: number;
  @Column() text!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

/** Two tables behind one backstop: what is wrong with the one must not concern the other. */
describe('one table that cannot be followed', () => {
  let stores: Stores;
  let backstop: BackstopService;
  const toVerify: string[] = [];

  beforeAll(async () => {
    stores = await Stores.create('one-table');
    const application = await stores.start({
      entities: [Product, Note],
      repositories: [
        productRepository(stores.index('products')),
        defineConsistentRepository(Note, { index: stores.index('notes') }),
      ],
      module: { bypassGuard: 'off' },
      imports: [BackstopModule.forRoot({ checkpointIntervalMs: 50, indexCheckIntervalMs: 200 })],
    });
    backstop = application.get(BackstopService);
    await leading(backstop);
    backstop.events.on('backstopToVerify', ({ table }) => toVerify.push(table));
  });

  beforeEach(async () => {
    await sql('DELETE FROM product');
    await sql('DELETE FROM note');
    await sql(`INSERT INTO product (id, sku, title, revision) VALUES ${productRow(1, 'one')}`);
    await sql(`INSERT INTO note (id, text) VALUES (1, 'first')`);
    await backstop.drained();
    toVerify.length = 0;
  });

  afterAll(() => stores?.close());

  const sql = (statement: string): Promise<Record<string, unknown>[]> => stores.database.query(statement);
  const named = (table: string): string => `${stores.database.name}.${table}`;
  const table = (name: string) => backstop.status().tables[named(name)]!;
  const value = async (index: string, field: string): Promise<unknown> =>
    (await stores.document(stores.index(index), '1'))?.source[field];
  /** All that is committed has passed the backstop; what is to be verified may still wait. */
  const followed = (): Promise<void> => backstop.waitFor();

  it('as a column is gone: it is closed, with an error in the log, and the other one is followed on', async () => {
    const errors = jest.spyOn(Logger.prototype, 'error');
    try {
      await sql('ALTER TABLE product RENAME COLUMN title TO heading');
      await until('it is closed', () => table('product').closed !== null);
      await sql(`UPDATE product SET heading = 'unseen'`);
      await sql(`UPDATE note SET text = 'goes on'`);
      await followed();
      expect(await value('notes', 'text')).toBe('goes on');
      expect(await value('products', 'title')).toBe('one');
      expect(table('note')).toMatchObject({ closed: null, trouble: null, pending: 0 });
      expect(backstop.status()).toMatchObject({ state: 'leading', degraded: true });
      expect(toVerify).toEqual([named('product')]);
      expect(errors.mock.calls.map(String).join()).toContain(`${named('product')} is not followed for now`);
    } finally {
      errors.mockRestore();
      await sql('ALTER TABLE product RENAME COLUMN heading TO title');
    }
    await backstop.drained();
    expect(await value('products', 'title')).toBe('unseen');
    expect(table('product').closed).toBeNull();
    expect(backstop.status().degraded).toBe(false);
  });

  it('as its index is gone: the other one is followed on, and only the one is verified', async () => {
    const [index] = Object.keys(await stores.client.indices.getAlias({ name: stores.index('products') }));
    await stores.client.indices.delete({ index: index! });
    await until('it is noticed', () => toVerify.length > 0);
    await sql(`UPDATE product SET title = 'in a new index'`);
    await sql(`UPDATE note SET text = 'in the old one'`);
    await backstop.drained();
    expect([await value('products', 'title'), await value('notes', 'text')]).toEqual([
      'in a new index',
      'in the old one',
    ]);
    expect(new Set(toVerify)).toEqual(new Set([named('product')]));
  });

  it('as its rows come with a partial image: only it is verified', async () => {
    const session = await createConnection({ uri: stores.database.url });
    try {
      await session.query(`SET SESSION binlog_row_image = 'MINIMAL'`);
      await session.query(`UPDATE product SET title = 'in part'`);
    } finally {
      await session.end();
    }
    await sql(`UPDATE note SET text = 'whole'`);
    await backstop.drained();
    expect([await value('products', 'title'), await value('notes', 'text')]).toEqual(['in part', 'whole']);
    expect(toVerify).toEqual([named('product')]);
  });
});
