import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { createConnection, type Connection } from 'mysql2/promise';
import type { BinlogStart } from '../../../src/binlog/binlog.types.js';
import type { ZongjiSourceOptions } from '../../../src/binlog/zongji.source.js';
import { createTestDatabase, type TestDatabase } from '../../support/servers.js';
import { Listener, sourceOf } from './listener.fixture.js';

export interface ListenerSetup {
  /** Of the file's database. */
  readonly name: () => string;
  /** Rows of the last statement. */
  readonly run: (...statements: string[]) => Promise<any>;
  readonly executed: () => Promise<string>;
  /** Listens to this file's database from what was executed so far. */
  readonly listen: (options?: Partial<ZongjiSourceOptions>, start?: BinlogStart) => Promise<Listener>;
  readonly insert: (from: number, to: number) => Promise<void>;
}

/** A database with the tables `item` and `other` for one test file, and listeners that end with each test. */
export function listenerSetup(prefix: string): ListenerSetup {
  let database: TestDatabase;
  let connection: Connection;
  const listeners: Listener[] = [];

  const run = async (...statements: string[]): Promise<any> => {
    let rows: any;
    for (const sql of statements) [rows] = await connection.query(sql);
    return rows;
  };
  const executed = async (): Promise<string> => {
    const [row] = await run('SELECT @@GLOBAL.gtid_executed AS executed');
    return row.executed;
  };

  beforeAll(async () => {
    database = await createTestDatabase(prefix);
    connection = await createConnection({ uri: database.url, supportBigNumbers: true, dateStrings: true });
    await run(
      'CREATE TABLE item (id INT PRIMARY KEY, title LONGTEXT)',
      'CREATE TABLE other (id INT PRIMARY KEY, note VARCHAR(20))',
    );
  });
  afterEach(async () => {
    await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
    await run('DELETE FROM item', 'DELETE FROM other');
  });
  afterAll(async () => {
    await connection.end();
    await database.drop();
  });

  return {
    name: () => database.name,
    run,
    executed,
    listen: async (options = {}, start) => {
      const source = sourceOf({ include: (schema) => schema === database.name, ...options });
      const listener = new Listener(source, start ?? { kind: 'gtid-set', gtidSet: await executed() });
      listeners.push(listener);
      return listener;
    },
    insert: async (from, to) => {
      for (let id = from; id <= to; id += 1) await run(`INSERT INTO item VALUES (${id}, 'row ${id}')`);
    },
  };
}
