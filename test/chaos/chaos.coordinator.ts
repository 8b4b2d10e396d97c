import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createConnection } from 'mysql2/promise';
import type { ChaosOptions } from './chaos.options.js';
import { type ChaosOutcome, type ChaosProgress, isClean, reportOf } from './chaos.outcome.js';
import { WorkerProxies } from './fault.injector.js';
import { type Episode, scheduleFaults } from './fault.schedule.js';
import { readStores, waitUntilSettled } from './final.comparison.js';
import { nowNs } from './history.js';
import { judge } from './history.judge.js';
import { itemModules } from './item.entity.js';
import { OrphanReaper } from './orphan.reaper.js';
import { ReplicaStalls, replicaTrouble } from './replica.link.js';
import { StoreServers } from './store.servers.js';
import { WorkerHandle } from './worker.handle.js';

const DATABASE = 'chaos';
const TICK_MS = 20;
const STOP_TIMEOUT_MS = 30_000;
const SETTLE_TIMEOUT_MS = 60_000;
/** No progress for so long means that the harness or the library hangs. */
const STALL_TIMEOUT_MS = 120_000;
const WRITES_PER_COLD_KEY = 10;
const MAX_COLD_KEYS = 20_000;
const HOT_KEYS = 6;
const READER_LANES = 4;

/** One run: servers, proxies, processes, faults; then quiet, and the verdict. */
export class ChaosRun {
  private readonly folder: string;
  private readonly notes: string[] = [];
  /** What makes the run a failed one whatever the histories say. */
  private readonly failures: string[] = [];
  private servers!: StoreServers;
  private proxies: WorkerProxies[] = [];
  private workers: WorkerHandle[] = [];
  private readonly under = new Set<Promise<unknown>>();
  private workerKills = 0;
  private reaper!: OrphanReaper;
  private stalls: ReplicaStalls | undefined;

  constructor(
    private readonly options: ChaosOptions,
    private readonly ui: ChaosProgress,
  ) {
    this.folder = mkdtempSync(join(tmpdir(), `nest-consistent-chaos-${options.seed}-`));
  }

  async run(): Promise<ChaosOutcome> {
    this.servers = await StoreServers.start((line) => this.ui.say(line), this.options.replica);
    const begun = performance.now();
    try {
      await this.prepareStores();
      this.reaper = new OrphanReaper(this.mysqlUrl);
      this.reaper.start();
      await this.startWorkers();
      this.stallReplica();
      await this.playSchedule();
      await this.quieten();
      return await this.conclude(begun);
    } finally {
      await this.reaper?.stop();
      await this.stalls?.stop().catch(() => undefined);
      await Promise.all(this.workers.map((worker) => worker.stop(0)));
      await Promise.all(this.proxies.map((proxy) => proxy.stop()));
      await this.servers.remove();
    }
  }

  private get mysqlUrl(): string {
    return `${this.servers.mysql.url}/${DATABASE}`;
  }

  /** Makes database, table and index, as a deployment would before the first instance starts. */
  private async prepareStores(): Promise<void> {
    const connection = await createConnection(this.servers.mysql.url);
    await connection.query(`CREATE DATABASE ${DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs`);
    await connection.end();
    await (await this.application(true)).close();
  }

  /** An instance that no fault meets. */
  private application(first: boolean): Promise<INestApplicationContext> {
    const imports = itemModules({
      profile: this.options.profile,
      mysqlUrl: this.mysqlUrl,
      elasticsearchUrl: this.servers.elasticsearch.url,
      synchronize: first,
      // After the faults there is time: what is settled now must not fail because the machine is busy.
      consistent: {
        ...(first ? { sweeper: false } : {}),
        writeTimeoutMs: 5_000,
        deadlineMs: 6_000,
        statementTimeoutMs: 20_000,
        sweeper: first ? false : { intervalMs: 200, leaseMs: 10_000 },
      },
    });
    class QuietModule {}
    Module({ imports })(QuietModule);
    return NestFactory.createApplicationContext(QuietModule, { logger: ['error'], abortOnError: false });
  }

  private async startWorkers(): Promise<void> {
    const { writers, readers, writes, seed, lanes, profile } = this.options;
    const { replica } = this.servers;
    const coldKeys = Math.min(MAX_COLD_KEYS, Math.max(20, Math.ceil(writes / WRITES_PER_COLD_KEY)));
    for (let at = 0; at < writers + readers; at++) {
      const proxies = new WorkerProxies(this.servers.elasticsearch.url, this.mysqlUrl);
      await proxies.start();
      this.proxies.push(proxies);
      const onlyReads = at >= writers;
      const worker = new WorkerHandle(
        {
          seed,
          profile,
          name: onlyReads ? `reader-${at - writers + 1}` : `writer-${at + 1}`,
          hotKeys: HOT_KEYS,
          coldKeys,
          onlyReads,
          mysqlUrl: proxies.mysql.url,
          ...(replica ? { replicaUrl: `${replica.url}/${DATABASE}` } : {}),
          elasticsearchUrl: proxies.elasticsearch.url,
          lanes: onlyReads ? READER_LANES : lanes,
          writes: onlyReads ? 0 : Math.ceil(writes / writers),
          // One instance without a sweeper, as a deployment may have it.
          sweeper: at !== 0,
          // Each way of acknowledging and of preparing meets the others on the same rows.
          acknowledge: at % 2 === 1 ? 'indexed' : 'committed',
          groupCommit: at % 3 !== 2,
        },
        this.folder,
      );
      this.workers.push(worker);
      worker.start();
    }
  }

  private stallReplica(): void {
    const { replica } = this.servers;
    if (!replica) return;
    this.stalls = new ReplicaStalls(replica.url);
    this.stalls.start();
  }

  private async playSchedule(): Promise<void> {
    const { options } = this;
    const episodes = scheduleFaults(options);
    const writers = this.workers.slice(0, options.writers);
    const begun = performance.now();
    let lastWrites = -1;
    let lastChangeAt = performance.now();
    while (!writers.every(({ finished }) => finished)) {
      const writes = writers.reduce((sum, worker) => sum + worker.writes, 0);
      while (episodes[0] && episodes[0].atWrite <= writes) this.play(episodes.shift()!);
      if (writes !== lastWrites) {
        lastWrites = writes;
        lastChangeAt = performance.now();
      } else if (performance.now() - lastChangeAt > STALL_TIMEOUT_MS) {
        this.failures.push(`no write was begun for ${STALL_TIMEOUT_MS} ms, at ${writes} of ${options.writes}`);
        break;
      }
      const perSecond = ((1_000 * writes) / (performance.now() - begun)).toFixed(1);
      this.ui.progress(
        `${writes} of ${options.writes} writes, ${perSecond} a second, ${this.kills} kills, ${episodes.length} faults to come`,
      );
      await sleep(TICK_MS);
    }
  }

  private get kills(): number {
    return this.workerKills + this.servers.kills;
  }

  private play(episode: Episode): void {
    const running = this.carryOut(episode).catch((error: unknown) => {
      this.failures.push(`${episode.kind} could not be carried out: ${(error as Error).message}`);
    });
    this.under.add(running);
    void running.finally(() => this.under.delete(running));
  }

  private async carryOut(episode: Episode): Promise<void> {
    switch (episode.kind) {
      case 'kill writer':
        if (this.workers[episode.worker]!.kill()) this.workerKills++;
        return;
      case 'kill store':
        await this.killStore(episode);
        return;
      case 'clock jump':
        this.workers[episode.worker]!.clock(episode.offsetMs);
        return;
      default:
        await this.proxies[episode.worker]!.play(episode);
    }
  }

  /** Half of the processes are refused connections meanwhile; the others' are cut, and they cannot know what arrived. */
  private async killStore({ store, downMs }: Extract<Episode, { kind: 'kill store' }>): Promise<void> {
    const up = this.servers.killAndRestart(store, downMs);
    const refusing = this.proxies.filter((_, at) => at % 2 === 0);
    await Promise.all([up, ...refusing.map((proxies) => proxies.storeIsDown(store, up))]);
  }

  /** The faults end, the processes finish what they have begun, the sweepers settle the rest. */
  private async quieten(): Promise<void> {
    this.ui.say('faults over; waiting until everything is settled');
    await Promise.all(this.under);
    for (const proxies of this.proxies) await proxies.heal();
    await Promise.all(this.workers.map((worker) => worker.stop(STOP_TIMEOUT_MS)));
    for (const { process, phase, status, log } of this.workers.flatMap((worker) => worker.unexpectedEnds)) {
      this.failures.push(`${process} ended by itself while ${phase}, with ${status}; the end of its log:\n${log}`);
    }
    for (const worker of this.workers.filter(({ overdue }) => overdue)) {
      const last = worker.histories.at(-1)!.process;
      this.failures.push(`${last} had not ended its operations ${STOP_TIMEOUT_MS} ms after it was told to`);
    }
  }

  private async conclude(begun: number): Promise<ChaosOutcome> {
    const { url } = this.servers.elasticsearch;
    await this.reaper.stop();
    if (this.reaper.reaped > 0) this.notes.push(`${this.reaper.reaped} transactions of vanished clients were ended`);
    const { replica } = this.servers;
    if (replica) {
      await this.stalls!.stop();
      const trouble = await replicaTrouble(replica.url);
      if (trouble) this.failures.push(`the replica no longer followed: ${trouble}`);
    }
    const sweeping = await this.application(false);
    const stuck = await waitUntilSettled(this.mysqlUrl, SETTLE_TIMEOUT_MS).finally(() => sweeping.close());
    const final = await readStores(this.mysqlUrl, url);
    const finalAt = nowNs();
    const files = this.workers.flatMap(({ histories }) => histories);
    const judgement = await judge({
      indexFollows: this.options.profile === 'mysql',
      files,
      final,
      finalAt,
      progress: (keys) => this.ui.progress(`checking histories: ${keys} keys`),
    });
    for (const key of judgement.undecided) this.failures.push(`the history of ${key} is too tangled to be checked`);
    const report = reportOf(judgement, {
      stuck,
      parked: final.parked.length,
      kills: this.kills,
      failures: this.failures.length,
    });
    const outcome: ChaosOutcome = {
      report,
      clean: isClean(report),
      judgement,
      parked: final.parked,
      folder: this.folder,
      seconds: Math.round((performance.now() - begun) / 1_000),
      notes: this.notes,
      failures: this.failures,
    };
    const schedule = scheduleFaults(this.options);
    writeFileSync(
      join(this.folder, 'outcome.json'),
      JSON.stringify({ options: this.options, ...outcome, schedule }, null, 1),
    );
    return outcome;
  }
}
