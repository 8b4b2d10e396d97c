import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource, type QueryRunner } from 'typeorm';
import type { BinlogCoordinates } from '../../../src/binlog/binlog.types.js';
import { CheckpointStore } from '../../../src/binlog/checkpoint.store.js';
import { CheckpointBehindError, InvalidSchemaError, LeadershipLostError } from '../../../src/errors.js';
import { createCheckpointTable, dropCheckpointTable } from '../../../src/mysql/consistent.migration.js';
import { createTestDatabase, type TestDatabase } from '../../support/servers.js';

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const B = '4f22fa47-71ca-11e1-9e33-c80aa9429562';
const NO_NOTES = { indexUuids: {}, toVerify: {} };
const at = (gtidSet: string, file = 'binlog.000007', position = 4, serverUuid = A): BinlogCoordinates => ({
  gtidSet,
  file,
  position,
  serverUuid,
});
const withoutGtid = (file: string, position: number, serverUuid = A) => at('', file, position, serverUuid);

describe('the checkpoint in MySQL', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let store: CheckpointStore;
  let name: string;
  let names = 0;

  beforeAll(async () => {
    database = await createTestDatabase('f_checkpoint');
    dataSource = await new DataSource({ type: 'mysql', ...database.connection }).initialize();
    store = new CheckpointStore(dataSource);
    await store.ensureTable();
  });
  beforeEach(() => {
    name = `backstop ${++names}`;
  });
  afterAll(async () => {
    await dataSource?.destroy();
    await database?.drop();
  });

  async function savedAt(place: BinlogCoordinates): Promise<number> {
    const epoch = await store.claim(name, 'first');
    await store.save(name, epoch, place, NO_NOTES);
    return epoch;
  }

  it('gives back what was saved', async () => {
    const notes = { indexUuids: { films: 'Xy_1' }, toVerify: { 'shop.film': 'a column that cannot be decoded' } };
    const epoch = await store.claim(name, 'first');
    const place = at(`${A}:1-7:tag:1-9007199254740993`, 'binlog.000007', 2 ** 40);
    await store.save(name, epoch, place, notes);
    expect(await store.load(name)).toEqual({
      ...place,
      ...notes,
      leader: 'first',
      epoch,
      updatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/),
    });
  });

  it('has nothing to load before the first save, though somebody has claimed it', async () => {
    expect(await store.load(name)).toBeNull();
    expect(await store.claim(name, 'first')).toBe(1);
    expect(await store.load(name)).toBeNull();
  });

  it('counts every claim, those at once too', async () => {
    const epochs = await Promise.all(Array.from({ length: 8 }, (_, index) => store.claim(name, `leader ${index}`)));
    expect(epochs.toSorted((one, two) => one - two)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  describe('the fence', () => {
    it('keeps a former leader from saving', async () => {
      const old = await savedAt(at(`${A}:1-5`));
      const young = await store.claim(name, 'second');
      await store.save(name, young, at(`${A}:1-6`), NO_NOTES);
      const late = store.save(name, old, at(`${A}:1-100`), NO_NOTES);
      await expect(late).rejects.toThrow(LeadershipLostError);
      await expect(late).rejects.toMatchObject({ data: { epoch: old, theirs: young, leader: 'second' } });
      expect(await store.load(name)).toMatchObject({ gtidSet: `${A}:1-6`, leader: 'second' });
    });

    it('holds from the claim on, before the new leader has saved anything', async () => {
      const old = await savedAt(at(`${A}:1-5`));
      await store.claim(name, 'second');
      await expect(store.save(name, old, at(`${A}:1-6`), NO_NOTES)).rejects.toThrow(LeadershipLostError);
      await expect(store.save(name, old, at(`${A}:1-5`), NO_NOTES)).rejects.toThrow(LeadershipLostError);
      expect(await store.load(name)).toMatchObject({ gtidSet: `${A}:1-5` });
    });

    it('keeps a leader from saving a checkpoint whose row is gone', async () => {
      const epoch = await savedAt(at(`${A}:1-5`));
      await dataSource.query('DELETE FROM consistent_checkpoint WHERE name = ?', [name]);
      await expect(store.save(name, epoch, at(`${A}:1-6`), NO_NOTES)).rejects.toThrow(LeadershipLostError);
    });

    it('knows names apart', async () => {
      const epoch = await savedAt(at(`${A}:1-5`));
      await store.claim(name.toUpperCase(), 'other');
      await store.save(name, epoch, at(`${A}:1-6`), NO_NOTES);
      expect(await store.load(name)).toMatchObject({ gtidSet: `${A}:1-6` });
    });
  });

  describe('only forward', () => {
    it.each([
      ['the same', at(`${A}:1-5`), at(`${A}:1-5`)],
      ['more of the same source', at(`${A}:1-5`), at(`${A}:1-6`)],
      ['more of another source, on another server', at(`${A}:1-5`), at(`${A}:1-5,${B}:1`, 'binlog.000001', 4, B)],
      ['a hole is filled', at(`${A}:1-3:5`), at(`${A}:1-5`)],
      ['the first GTIDs of a server that had none', withoutGtid('binlog.000007', 4), at(`${A}:1`)],
      ['further in the file', withoutGtid('binlog.000007', 4), withoutGtid('binlog.000007', 900)],
      ['the next file', withoutGtid('binlog.000007', 900), withoutGtid('binlog.000008', 4)],
      ['a file whose number is longer', withoutGtid('binlog.999999', 900), withoutGtid('binlog.1000000', 4)],
    ])('takes %s', async (_what, saved, next) => {
      const epoch = await savedAt(saved);
      await store.save(name, epoch, next, NO_NOTES);
      expect(await store.load(name)).toMatchObject({ ...next });
    });

    it.each([
      ['fewer transactions', at(`${A}:1-5`), at(`${A}:1-4`, 'binlog.000009')],
      ['other transactions', at(`${A}:1-5`), at(`${A}:2-9`)],
      ['a tag instead', at(`${A}:1-5`), at(`${A}:tag:1-9`)],
      ['none any more', at(`${A}:1-5`), withoutGtid('binlog.000009', 4)],
      ['back in the file', withoutGtid('binlog.000007', 900), withoutGtid('binlog.000007', 899)],
      ['an earlier file', withoutGtid('binlog.1000000', 4), withoutGtid('binlog.999999', 900)],
      ['a place of another server', withoutGtid('binlog.000007', 4), withoutGtid('binlog.000008', 4, B)],
    ])('refuses %s', async (_what, saved, next) => {
      const epoch = await savedAt(saved);
      await expect(store.save(name, epoch, next, NO_NOTES)).rejects.toThrow(CheckpointBehindError);
      expect(await store.load(name)).toMatchObject({ ...saved });
    });

    it('takes the same again where the connection counts changed rows, not found ones', async () => {
      const bare = await new DataSource({
        type: 'mysql',
        ...database.connection,
        flags: ['-FOUND_ROWS'],
        // Stands the clock still, so that the second save changes nothing at all.
        extra: { connectionLimit: 1 },
      }).initialize();
      const still = new CheckpointStore(bare);
      await bare.query('SET SESSION timestamp = 1700000000.5');
      const epoch = await still.claim(name, 'first');
      await still.save(name, epoch, at(`${A}:1-5`), NO_NOTES);
      await still.save(name, epoch, at(`${A}:1-5`), NO_NOTES);
      await expect(still.save(name, epoch, at(`${A}:1-4`), NO_NOTES)).rejects.toThrow(CheckpointBehindError);
      await bare.destroy();
    });
  });

  describe('rewind', () => {
    it('goes back, keeps the notes, and takes the leadership', async () => {
      const epoch = await store.claim(name, 'first');
      const notes = { indexUuids: { films: 'Xy_1' }, toVerify: {} };
      await store.save(name, epoch, at(`${A}:1-9`), notes);
      expect(await store.rewind(name, at(`${A}:1-2`, 'binlog.000002'))).toBe(epoch + 1);
      await expect(store.save(name, epoch, at(`${A}:1-10`), notes)).rejects.toThrow(LeadershipLostError);
      expect(await store.load(name)).toMatchObject({ gtidSet: `${A}:1-2`, file: 'binlog.000002', ...notes });
    });

    it('sets the first place of a checkpoint that is new', async () => {
      expect(await store.rewind(name, at(`${A}:1-2`))).toBe(1);
      expect(await store.load(name)).toMatchObject({ gtidSet: `${A}:1-2` });
    });

    it('forget: as if new, but a former leader stays fenced off', async () => {
      const epoch = await savedAt(at(`${A}:1-9`));
      await store.forget(name);
      expect(await store.load(name)).toBeNull();
      await expect(store.save(name, epoch, at(`${A}:1-10`), NO_NOTES)).rejects.toThrow(LeadershipLostError);
      expect(await store.claim(name, 'second')).toBe(epoch + 2);
    });
  });
});

describe('the table of checkpoints', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let runner: QueryRunner;

  beforeAll(async () => {
    database = await createTestDatabase('f_checkpoint_table');
    dataSource = await new DataSource({ type: 'mysql', ...database.connection }).initialize();
    runner = dataSource.createQueryRunner();
  });
  afterAll(async () => {
    await runner?.release();
    await dataSource?.destroy();
    await database?.drop();
  });
  const tables = () => database.query<{ name: string }>('SHOW TABLES').then((rows) => rows.length);

  it('is made and dropped by a migration, any number of times', async () => {
    await createCheckpointTable(runner);
    await createCheckpointTable(runner);
    expect(await tables()).toBe(1);
    await dropCheckpointTable(runner);
    await dropCheckpointTable(runner);
    expect(await tables()).toBe(0);
  });

  it('is enough with rights on its rows; without it, start-up says what to do', async () => {
    const user = `nc_f_${process.pid}`;
    await database.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'few'`);
    try {
      await createCheckpointTable(runner);
      await database.query(
        `GRANT SELECT, INSERT, UPDATE, DELETE ON \`${database.name}\`.consistent_checkpoint TO '${user}'@'%'`,
      );
      const few = await new DataSource({
        type: 'mysql',
        ...database.connection,
        username: user,
        password: 'few',
      }).initialize();
      const store = new CheckpointStore(few);
      await store.ensureTable();
      const epoch = await store.claim('a', 'first');
      await store.save('a', epoch, at(`${A}:1`), NO_NOTES);
      await store.forget('a');
      await dropCheckpointTable(runner);
      await expect(store.ensureTable()).rejects.toThrow(InvalidSchemaError);
      await expect(store.ensureTable()).rejects.toThrow(/createCheckpointTable/);
      await few.destroy();
    } finally {
      await database.query(`DROP USER '${user}'@'%'`);
    }
  });
});
