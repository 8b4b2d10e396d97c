import { once } from 'node:events';
import { DataSource } from 'typeorm';
import type { BinlogCoordinates } from '../../src/binlog/binlog.types.js';
import { CheckpointStore } from '../../src/binlog/checkpoint.store.js';
import { LeaderLock } from '../../src/binlog/leader.lock.js';
import type { ConsistentError } from '../../src/errors.js';

/** What the parent tells a leader process first. */
export interface LeaderSettings {
  /** For the lock. */
  connection: { host: string; port: number; user: string; password: string; database: string };
  name: string;
  instance: string;
  pingMs: number;
}

/** What it says: it leads, it no longer does, a save ended. */
export type LeaderReport = { leads: number } | { lost: string } | { saved: string | null };

/*
 * One instance that competes for the leadership, in a process of its own, so that a test can freeze it or end it with SIGKILL.
 * Sent a place, it saves that as a leader does, without asking whether it still leads: the fence alone must hold.
 */
const [settings] = (await once(process, 'message')) as [LeaderSettings];
const report = (message: LeaderReport): boolean => process.send!(message);
const { user: username, ...rest } = settings.connection;
const dataSource = await new DataSource({ type: 'mysql', ...rest, username }).initialize();
const store = new CheckpointStore(dataSource);
const lock = new LeaderLock(settings);
let epoch = 0;

process.on('message', (at: BinlogCoordinates) => {
  store.save(settings.name, epoch, at, { indexUuids: {}, toVerify: {} }).then(
    () => report({ saved: null }),
    (error: ConsistentError) => report({ saved: error.code ?? error.message }),
  );
});
process.on('disconnect', () => process.exit());
process.send!('ready');

const held = await lock.acquire();
epoch = await store.claim(settings.name, settings.instance);
held.signal.addEventListener('abort', () => report({ lost: (held.signal.reason as ConsistentError).code }));
report({ leads: epoch });
