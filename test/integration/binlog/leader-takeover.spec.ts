import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import type { BinlogCoordinates } from '../../../src/binlog/binlog.types.js';
import { CheckpointStore } from '../../../src/binlog/checkpoint.store.js';
import { LeaderProcess } from '../../support/leader.js';
import { createTestDatabase, type TestDatabase } from '../../support/servers.js';

const SERVER = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const at = (last: number): BinlogCoordinates => ({
  gtidSet: `${SERVER}:1-${last}`,
  file: 'binlog.000001',
  position: last,
  serverUuid: SERVER,
});

/** Instances in processes of their own, that die or freeze while they lead. */
describe('take-over of the leadership', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let store: CheckpointStore;
  let name: string;
  let names = 0;
  let processes: LeaderProcess[];

  beforeAll(async () => {
    database = await createTestDatabase('f_takeover');
    dataSource = await new DataSource({ type: 'mysql', ...database.connection }).initialize();
    store = new CheckpointStore(dataSource);
    await store.ensureTable();
  });
  beforeEach(() => {
    processes = [];
    name = `backstop ${++names}`;
  });
  afterEach(async () => {
    await Promise.all(processes.map((one) => one.kill()));
  });
  afterAll(async () => {
    await dataSource?.destroy();
    await database?.drop();
  });

  async function compete(instance: string): Promise<LeaderProcess> {
    const { username: user, ...rest } = database.connection;
    const started = await LeaderProcess.start({ connection: { ...rest, user }, name, instance, pingMs: 200 });
    processes.push(started);
    return started;
  }

  it('after kill -9 another instance leads, and goes on from the checkpoint', async () => {
    const first = await compete('first');
    expect(await first.leads()).toBe(1);
    const second = await compete('second');
    expect(await first.save(at(5))).toBeNull();
    expect(second.isLeading).toBe(false);
    await first.kill();
    expect(await second.leads()).toBe(2);
    expect(await store.load(name)).toMatchObject({ ...at(5), leader: 'second', epoch: 2 });
    expect(await second.save(at(6))).toBeNull();
  });

  it('an instance that was frozen while it led overwrites nothing when it thaws', async () => {
    const first = await compete('first');
    await first.leads();
    expect(await first.save(at(5))).toBeNull();
    const second = await compete('second');
    first.signal('SIGSTOP');
    expect(await second.leads()).toBe(2);
    expect(await second.save(at(6))).toBeNull();
    const late = first.save(at(100));
    first.signal('SIGCONT');
    expect(await late).toBe('LEADERSHIP_LOST');
    expect(await first.lost()).toBe('LEADERSHIP_LOST');
    expect(await store.load(name)).toMatchObject({ ...at(6), leader: 'second' });
    expect(second.isLeading).toBe(true);
  });

  it('of three instances exactly one leads at any time, through two deaths', async () => {
    const all = await Promise.all(['first', 'second', 'third'].map(compete));
    for (const epoch of [1, 2, 3]) {
      const alive = all.filter((one) => processes.includes(one));
      expect(await Promise.race(alive.map((one) => one.leads()))).toBe(epoch);
      const leading = alive.filter((one) => one.isLeading);
      expect(leading).toHaveLength(1);
      await leading[0]!.kill();
      processes.splice(processes.indexOf(leading[0]!), 1);
    }
  });
});
