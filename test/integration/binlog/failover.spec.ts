import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Server } from '../../../tools/servers/server.types.mjs';
import type { BinlogCoordinates, BinlogEvent, BinlogStart } from '../../../src/binlog/binlog.types.js';
import { decideResume, type ServerFacts } from '../../../src/binlog/failover.decision.js';
import { GtidSet } from '../../../src/binlog/gtid.set.js';
import { BinlogPositionLostError } from '../../../src/errors.js';
import { readServerFacts } from '../../../src/binlog/server.facts.js';
import { ZongjiSource } from '../../../src/binlog/zongji.source.js';
import { ReplicaServers } from '../../support/replica.servers.js';

const START_MS = 300_000;

let servers: ReplicaServers;
let rows: number;

/** Two real servers, one the replica of the other. */
async function start(): Promise<void> {
  rows = 0;
  servers = await ReplicaServers.start();
  await servers.onPrimary('CREATE DATABASE f_failover');
  await servers.onPrimary('CREATE TABLE f_failover.note (id int PRIMARY KEY)');
  await write(servers.primary, 3);
  await servers.caughtUp();
}

async function run(server: Server, sql: string): Promise<Record<string, unknown>[]> {
  const connection = await createConnection(server.url);
  try {
    const [found] = await connection.query<RowDataPacket[]>(sql);
    return found;
  } finally {
    await connection.end();
  }
}
async function write(server: Server, transactions: number): Promise<void> {
  for (let count = 0; count < transactions; count++) {
    await run(server, `INSERT INTO f_failover.note VALUES (${++rows})`);
  }
}
const factsOf = (server: Server): Promise<ServerFacts> => readServerFacts((sql) => run(server, sql));

/** A checkpoint of somebody who has read this server's log to its end. */
async function seenOn(server: Server): Promise<BinlogCoordinates> {
  const facts = await factsOf(server);
  const { file, size } = facts.binlogs.at(-1)!;
  return {
    gtidSet: GtidSet.parse(facts.gtidExecuted).toString(),
    file,
    position: size,
    serverUuid: facts.serverUuid,
  };
}

async function promote(): Promise<void> {
  await servers.primary.kill();
  await servers.onReplica('STOP REPLICA');
}

const minus = (one: string, other: string) => GtidSet.parse(one).subtract(GtidSet.parse(other)).toString();

/** What the server really sends from there on, until it has sent all that it has. */
async function readFrom(server: Server, start: BinlogStart): Promise<string> {
  const { gtidExecuted, gtidPurged } = await factsOf(server);
  const url = new URL(server.url);
  const connection = { host: url.hostname, port: Number(url.port), user: url.username, password: '' };
  const source = new ZongjiSource({ connection, serverId: 77, maxReconnects: 0 });
  const wanted = GtidSet.parse(gtidExecuted).subtract(GtidSet.parse(gtidPurged));
  const begun = start.kind === 'gtid-set' ? GtidSet.parse(start.gtidSet) : new GtidSet();
  const read = new GtidSet();
  for await (const event of source.read(start)) {
    if (event.kind === 'transaction') read.add(event.gtid);
    if (wanted.isSubsetOf(begun.union(read))) break;
  }
  await source.stop();
  return read.toString();
}

describe('where to go on when another server takes over', () => {
  beforeEach(start, START_MS);
  afterEach(() => servers?.remove(), START_MS);

  it(
    'goes on without a gap on a promoted replica that has transactions of its own',
    async () => {
      const seen = await seenOn(servers.primary);
      await write(servers.primary, 2);
      await servers.caughtUp();
      await write(servers.replica, 2);
      await promote();
      const facts = await factsOf(servers.replica);
      const decision = decideResume(seen, facts);
      expect(decision).toMatchObject({ kind: 'resume-by-gtid', resume: { kind: 'gtid-set', gtidSet: seen.gtidSet } });
      expect(decision).toMatchObject({ verify: expect.stringContaining(facts.serverUuid) });
      const unseen = minus(facts.gtidExecuted, seen.gtidSet);
      expect(GtidSet.parse(unseen).ofServer(facts.serverUuid).isEmpty).toBe(false);
      expect(GtidSet.parse(unseen).ofServer(seen.serverUuid).isEmpty).toBe(false);
      expect(await readFrom(servers.replica, decision.resume)).toBe(unseen);
    },
    START_MS,
  );

  it(
    'names what was seen and got lost, and reads it again when it comes after all',
    async () => {
      const common = (await seenOn(servers.primary)).gtidSet;
      await servers.onReplica('STOP REPLICA');
      await write(servers.primary, 2);
      const seen = await seenOn(servers.primary);
      await promote();
      await write(servers.replica, 1);
      const decision = decideResume(seen, await factsOf(servers.replica));
      const missing = minus(seen.gtidSet, common);
      expect(decision).toMatchObject({ kind: 'errant', missing, own: false, lost: null });
      expect(decision.resume).toEqual({ kind: 'gtid-set', gtidSet: common });
      // The former source was not lost after all: what it has still arrives.
      await servers.primary.start();
      await servers.onReplica('START REPLICA');
      await servers.caughtUp();
      const { gtidExecuted } = await factsOf(servers.replica);
      expect(await readFrom(servers.replica, decision.resume)).toBe(minus(gtidExecuted, common));
      expect(GtidSet.parse(missing).isSubsetOf(GtidSet.parse(gtidExecuted))).toBe(true);
    },
    START_MS,
  );

  it(
    'names what was purged before it was seen, and goes on where the server still can',
    async () => {
      const seen = await seenOn(servers.primary);
      await write(servers.primary, 2);
      await servers.caughtUp();
      await servers.onReplica('FLUSH BINARY LOGS');
      const { gtidExecuted: gone, binlogs } = await factsOf(servers.replica);
      await servers.onReplica(`PURGE BINARY LOGS TO '${binlogs.at(-1)!.file}'`);
      await promote();
      await write(servers.replica, 1);
      const facts = await factsOf(servers.replica);
      const decision = decideResume(seen, facts);
      expect(decision).toMatchObject({ kind: 'purged', lost: minus(gone, seen.gtidSet) });
      // Where nobody asks: the server itself refuses the checkpoint's place, and takes the decision's.
      await expect(readFrom(servers.replica, { kind: 'gtid-set', gtidSet: seen.gtidSet })).rejects.toThrow(/purge/i);
      expect(await readFrom(servers.replica, decision.resume)).toBe(minus(facts.gtidExecuted, gone));
    },
    START_MS,
  );

  describe('while the log is being read', () => {
    let source: ZongjiSource;
    let events: AsyncIterator<BinlogEvent>;

    /** Reads from the source; once that is gone, the same address leads to the replica. */
    beforeEach(async () => {
      let address = servers.primary;
      const connection = { host: '127.0.0.1', user: 'root', password: '' };
      source = new ZongjiSource({
        connection: Object.defineProperty(connection, 'port', { enumerable: true, get: () => address.port }),
        serverId: 78,
        reconnectDelayMs: 20,
        onReconnect: () => (address = servers.replica),
      });
      const { gtidSet } = await seenOn(servers.primary);
      events = source.read({ kind: 'gtid-set', gtidSet })[Symbol.asyncIterator]();
    }, START_MS);
    afterEach(() => source.stop());

    async function nextGtid(): Promise<string> {
      for (;;) {
        const { value } = (await events.next()) as { value: BinlogEvent };
        if (value.kind === 'transaction') return value.gtid;
      }
    }

    it(
      'goes on at the server that took over, where that has everything',
      async () => {
        await write(servers.primary, 1);
        await nextGtid();
        await servers.caughtUp();
        await promote();
        await write(servers.replica, 1);
        const { serverUuid } = await factsOf(servers.replica);
        expect(await nextGtid()).toBe(`${serverUuid}:1`);
      },
      START_MS,
    );

    it(
      'ends, and says what got lost, where that lacks what was read',
      async () => {
        await servers.onReplica('STOP REPLICA');
        await write(servers.primary, 1);
        const gtid = await nextGtid();
        await servers.primary.kill();
        await write(servers.replica, 1);
        const ended = nextGtid();
        await expect(ended).rejects.toThrow(BinlogPositionLostError);
        await expect(ended).rejects.toMatchObject({ data: { reason: 'ahead', gtidSet: gtid } });
      },
      START_MS,
    );
  });
});

describe('where to go on, on the same server', () => {
  beforeAll(start, START_MS);
  afterAll(() => servers?.remove(), START_MS);

  it(
    'goes on in the same place on the same server, after a crash and when files were purged that were read',
    async () => {
      const seen = await seenOn(servers.primary);
      await write(servers.primary, 2);
      await servers.primary.kill();
      await servers.primary.start();
      const goesOn = { kind: 'resume-by-gtid', resume: { kind: 'gtid-set', gtidSet: seen.gtidSet }, verify: null };
      expect(decideResume(seen, await factsOf(servers.primary))).toEqual(goesOn);
      const later = await seenOn(servers.primary);
      await servers.onPrimary('FLUSH BINARY LOGS');
      await servers.onPrimary(`PURGE BINARY LOGS TO '${(await seenOn(servers.primary)).file}'`);
      expect(decideResume(seen, await factsOf(servers.primary)).kind).toBe('purged');
      expect(decideResume(later, await factsOf(servers.primary)).kind).toBe('resume-by-gtid');
    },
    START_MS,
  );

  it(
    'notices a log that was reset, though the same numbers are there again',
    async () => {
      await servers.onPrimary('FLUSH BINARY LOGS');
      const seen = await seenOn(servers.primary);
      await servers.onPrimary('RESET BINARY LOGS AND GTIDS');
      expect(decideResume(seen, await factsOf(servers.primary))).toMatchObject({
        kind: 'errant',
        missing: seen.gtidSet,
        own: true,
      });
      await write(servers.primary, 10);
      const facts = await factsOf(servers.primary);
      expect(minus(seen.gtidSet, facts.gtidExecuted)).toBe('');
      expect(decideResume(seen, facts)).toMatchObject({ kind: 'errant', missing: null, own: true });
    },
    START_MS,
  );

  it(
    'goes by file and position where not every transaction has a GTID',
    async () => {
      for (const mode of ['ON_PERMISSIVE', 'OFF_PERMISSIVE']) {
        await servers.onPrimary(`SET GLOBAL gtid_mode = ${mode}`);
      }
      // The source names no GTIDs then.
      const seen = { ...(await seenOn(servers.primary)), gtidSet: '' };
      await write(servers.primary, 1);
      expect(decideResume(seen, await factsOf(servers.primary))).toEqual({
        kind: 'resume-by-position',
        resume: { kind: 'position', file: seen.file, position: seen.position },
      });
      expect(decideResume(seen, await factsOf(servers.replica))).toMatchObject({ kind: 'errant', missing: null });
      await servers.onPrimary('FLUSH BINARY LOGS');
      const facts = await factsOf(servers.primary);
      await servers.onPrimary(`PURGE BINARY LOGS TO '${facts.binlogs.at(-1)!.file}'`);
      expect(decideResume(seen, await factsOf(servers.primary))).toMatchObject({
        kind: 'purged',
        lost: null,
        resume: { kind: 'position', file: facts.binlogs.at(-1)!.file, position: 4 },
      });
    },
    START_MS,
  );
});
