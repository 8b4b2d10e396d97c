import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  ConsistentService,
  type ConsistentRepositoryClass,
  defineConsistentRepository,
  IndexRejectedError,
  InvalidDocumentError,
  InvalidOptionsError,
  PartialWriteError,
  StaleVersionError,
  type UnitOfWork,
  UnsupportedOperationError,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { LostAnswers } from '../../support/lost.answers.js';

@Entity('account')
class Account {
  @PrimaryColumn() id!: string;
  @Column({ default: 0 }) balance!: number;
  @Column(() => Consistency) consistency!: Consistency;
}
@Entity('transfer')
class Transfer {
  @PrimaryColumn({ length: 600 }) id!: string;
  /** The mapping says integer, the column does not: Elasticsearch can be made to refuse. */
  @Column({ default: '1' }) amount!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

const account = (id: string, balance = 0) => Object.assign(new Account(), { id, balance });
const transfer = (id: string, amount = '1') => Object.assign(new Transfer(), { id, amount });

describe('a unit of work', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let accounts: ConsistentRepository<Account>;
  let transfers: ConsistentRepository<Transfer>;
  let consistent: ConsistentService;
  const classes = {} as {
    accounts: ConsistentRepositoryClass<Account>;
    transfers: ConsistentRepositoryClass<Transfer>;
  };

  beforeAll(async () => {
    stores = await Stores.create('unit');
    answers = await LostAnswers.start();
    await stores.database.query('CREATE TABLE ledger (note VARCHAR(100))');
    const ofAccounts = defineConsistentRepository(Account, { index: stores.index('accounts') });
    const ofTransfers = defineConsistentRepository(Transfer, {
      index: stores.index('transfers'),
      mappings: { properties: { id: { type: 'keyword' }, amount: { type: 'integer' } } },
    });
    Object.assign(classes, { accounts: ofAccounts, transfers: ofTransfers });
    const application = await stores.start({
      entities: [Account, Transfer],
      repositories: [ofAccounts, ofTransfers],
      elasticsearchNode: answers.url,
    });
    accounts = application.get(ofAccounts);
    transfers = application.get(ofTransfers);
    consistent = application.get(ConsistentService);
  });
  afterAll(async () => {
    await stores.close();
    await answers.stop();
  });

  const inside = (unit: UnitOfWork) => ({
    accounts: unit.getRepository(classes.accounts),
    transfers: unit.getRepository(classes.transfers),
  });
  const held = async (table: 'account' | 'transfer', id: string) => ({
    row: await stores.row(table, id),
    document: await stores.document((table === 'account' ? accounts : transfers).index, id),
  });
  const ledger = (note: string) => stores.database.query('SELECT 1 FROM ledger WHERE note = ?', [note]);

  it('writes rows of several entities and plain SQL in one transaction', async () => {
    const result = await consistent.transaction(async (unit) => {
      const { accounts: a, transfers: t } = inside(unit);
      await a.save(account('a1', 5));
      await a.insert(account('a2', 6));
      await t.save(transfer('t1', '11'));
      await unit.query('INSERT INTO ledger VALUES (?)', ['all of it']);
      return 'done';
    });
    expect(result).toBe('done');
    expect(await held('account', 'a1')).toMatchObject({
      row: { consistency_state: 'commit' },
      document: { source: { balance: 5 } },
    });
    expect(await held('account', 'a2')).toMatchObject({ document: { source: { balance: 6 } } });
    expect(await held('transfer', 't1')).toMatchObject({ document: { source: { amount: '11' } } });
    expect(await ledger('all of it')).toHaveLength(1);
  });

  it('leaves nothing in either store when the callback throws', async () => {
    await accounts.save(account('kept', 1));
    const failing = consistent.transaction(async (unit) => {
      await inside(unit).accounts.save(account('kept', 99));
      await inside(unit).accounts.save(account('never'));
      await unit.query('INSERT INTO ledger VALUES (?)', ['never']);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await held('account', 'kept')).toMatchObject({
      row: { balance: 1, consistency_state: 'commit' },
      document: { source: { balance: 1 } },
    });
    expect(await held('account', 'never')).toEqual({ row: undefined, document: undefined });
    expect(await ledger('never')).toEqual([]);
  });

  it('tells the fate of each row when Elasticsearch takes some and refuses others', async () => {
    await transfers.save(transfer('was good', '7'));
    const error: unknown = await consistent
      .transaction(async (unit) => {
        const { accounts: a, transfers: t } = inside(unit);
        await a.save(account('taken', 3));
        await t.save(transfer('was good', 'no number'));
        await t.save(transfer('new bad', 'no number'));
        await unit.query('INSERT INTO ledger VALUES (?)', ['partial']);
      })
      .catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(PartialWriteError);
    const rejected = { status: 'failed', code: 'INDEX_REJECTED' };
    expect((error as PartialWriteError).data.outcomes).toEqual([
      { entity: 'Account', key: 'taken', operation: 'insert', status: 'committed' },
      { entity: 'Transfer', key: 'was good', operation: 'update', ...rejected },
      { entity: 'Transfer', key: 'new bad', operation: 'insert', ...rejected },
    ]);
    expect((error as PartialWriteError).cause).toBeInstanceOf(IndexRejectedError);
    expect(await held('account', 'taken')).toMatchObject({
      row: { consistency_state: 'commit' },
      document: { source: { balance: 3 } },
    });
    expect(await held('transfer', 'was good')).toMatchObject({
      row: { amount: '7', consistency_state: 'commit' },
      document: { source: { amount: '7' } },
    });
    expect(await held('transfer', 'new bad')).toEqual({ row: undefined, document: undefined });
    expect(await ledger('partial')).toHaveLength(1);
  });

  it('throws the own error of a single row', async () => {
    const refused = consistent.transaction((unit) => inside(unit).transfers.save(transfer('single', 'x')));
    await expect(refused).rejects.toThrow(IndexRejectedError);
    await answers.vanished(() => consistent.transaction((unit) => inside(unit).accounts.save(account('lost'))));
    expect(await accounts.findOneBy({ id: 'lost' })).toBeNull();
  });

  it('saves one row twice as one write: the undo image is the first one', async () => {
    await accounts.save(account('twice', 1));
    await answers.vanished(() =>
      consistent.transaction(async (unit) => {
        const own = await inside(unit).accounts.save(account('twice', 2));
        own.balance = 3;
        await inside(unit).accounts.save(own);
      }),
    );
    expect(await stores.row('account', 'twice')).toMatchObject({ balance: 3, consistency_state: 'prepare' });
    expect(await accounts.findOneByOrFail({ id: 'twice' })).toMatchObject({ balance: 1 });
  });

  it.each(['insert', 'remove'] as const)('refuses %s after a save of the same row', async (kind) => {
    const unit = consistent.transaction(async (open) => {
      await inside(open).accounts.save(account(`then ${kind}`));
      await inside(open).accounts[kind](account(`then ${kind}`));
    });
    await expect(unit).rejects.toThrow(UnsupportedOperationError);
    await expect(unit).rejects.toThrow(new RegExp(`already written.*not ${kind}`, 's'));
    expect(await stores.row('account', `then ${kind}`)).toBeUndefined();
  });

  it('refuses a save after a removal, and honours expectedVersion', async () => {
    const saved = await accounts.save(account('removed', 1));
    const again = consistent.transaction(async (unit) => {
      await inside(unit).accounts.remove(saved);
      await inside(unit).accounts.save(account('removed', 2));
    });
    await expect(again).rejects.toThrow(UnsupportedOperationError);
    expect(await held('account', 'removed')).toMatchObject({ row: { consistency_state: 'commit' } });
    const stale = consistent.transaction((unit) =>
      inside(unit).accounts.save(account('removed', 2), { expectedVersion: 1 }),
    );
    await expect(stale).rejects.toThrow(StaleVersionError);
  });

  it('reads its own writes, and nothing that others have not decided', async () => {
    await accounts.save(account('r1', 1));
    await accounts.save(account('r2', 1));
    const gone = await accounts.save(account('r3', 1));
    await answers.vanished(() => accounts.save(account('r2', 50)));
    await consistent.transaction(async (unit) => {
      const { accounts: a } = inside(unit);
      await a.save(account('r1', 2));
      await a.save(account('r4', 4));
      await a.remove(gone);
      const found = await a.find({ order: { id: 'ASC' }, where: ['r1', 'r2', 'r3', 'r4'].map((id) => ({ id })) });
      expect(found.map(({ id, balance }) => [id, balance])).toEqual([
        ['r1', 2],
        ['r2', 1],
        ['r4', 4],
      ]);
      expect(await a.findOne({ where: { id: 'r3' } })).toBeNull();
      expect(await a.find({ where: { id: 'r2' }, select: { balance: true } })).toMatchObject([{ balance: 1 }]);
      await expect(a.find({ cache: true })).rejects.toThrow(/cache/);
    });
    expect(await held('account', 'r3')).toEqual({ row: undefined, document: undefined });
  });

  it("finds the row behind somebody's undecided insert", async () => {
    await accounts.save(account('behind 2', 77));
    await answers.vanished(() => accounts.save(account('behind 1', 77)));
    const first = { where: { balance: 77 }, order: { id: 'ASC' } } as const;
    await consistent.transaction(async (unit) => {
      expect(await inside(unit).accounts.findOne(first)).toMatchObject({ id: 'behind 2' });
      expect(await inside(unit).accounts.findOne({ ...first, where: { id: 'behind 1' } })).toBeNull();
    });
    expect(await accounts.findOne(first)).toMatchObject({ id: 'behind 2' });
  });

  it('goes on after an error that the callback catches, without a trace of that write', async () => {
    const long = 'x'.repeat(513);
    await consistent.transaction(async (unit) => {
      await inside(unit).accounts.save(account('before'));
      await expect(inside(unit).transfers.save(transfer(long))).rejects.toThrow(InvalidDocumentError);
      await inside(unit).accounts.save(account('after'));
    });
    expect(await held('account', 'before')).toMatchObject({ document: {} });
    expect(await held('account', 'after')).toMatchObject({ document: {} });
    expect(await stores.row('transfer', long)).toBeUndefined();
  });

  it('cannot be used after its end, and needs a registered DataSource and repository', async () => {
    let leaked!: UnitOfWork;
    await consistent.transaction(async (unit) => {
      leaked = unit;
    });
    expect(() => leaked.manager).toThrow(UnsupportedOperationError);
    expect(() => leaked.getRepository(classes.accounts)).toThrow(/has ended/);
    await expect(leaked.query('SELECT 1')).rejects.toThrow(/has ended/);
    await expect(consistent.transaction(async () => 1, { dataSource: 'nowhere' })).rejects.toThrow(InvalidOptionsError);
    const unknown = consistent.transaction(async (unit) => unit.getRepository(class Unknown {} as never));
    await expect(unknown).rejects.toThrow(/Unknown is not registered/);
  });

  it('that deadlocks with another gives MySQL’s error, and writes nothing', async () => {
    await accounts.save(account('d1', 1));
    await accounts.save(account('d2', 1));
    let arrived = 0;
    let open!: () => void;
    const both = new Promise<void>((resolve) => {
      open = resolve;
    });
    const crossing = (first: string, second: string, balance: number) =>
      consistent.transaction(async (unit) => {
        await inside(unit).accounts.save(account(first, balance));
        if (++arrived === 2) open();
        await both;
        await inside(unit).accounts.save(account(second, balance));
      });
    const results = await Promise.allSettled([crossing('d1', 'd2', 10), crossing('d2', 'd1', 20)]);
    const failed = results.filter((result) => result.status === 'rejected');
    expect(failed).toHaveLength(1);
    expect(failed[0]!.reason).toMatchObject({ driverError: { code: 'ER_LOCK_DEADLOCK' } });
    const balance = results[0]!.status === 'fulfilled' ? 10 : 20;
    for (const id of ['d1', 'd2']) {
      expect(await held('account', id)).toMatchObject({
        row: { balance, consistency_state: 'commit' },
        document: { source: { balance } },
      });
    }
  });
});
