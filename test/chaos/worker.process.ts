import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { jumpClock } from './clock.jump.js';
import { isOutage } from './error.outcome.js';
import { HistoryWriter } from './history.js';
import { itemModules } from './item.entity.js';
import { planOperation } from './operation.plan.js';
import { OperationRunner } from './operation.runner.js';
import type { FromWorker, ToWorker, WorkerOptions } from './worker.messages.js';

/*
 * One instance of an application: a process with its own Nest container, its own pools and its own sweeper. It may be
 * killed at any moment.
 */
const OUTAGE_PAUSE_MS = 500;
/** Reads are many times cheaper than writes; unbridled they would take the machine for themselves. */
const READER_PAUSE_MS = 20;
const BLIND_PAUSE_MS = 60;
const PROGRESS_MS = 100;

class Worker {
  private readonly progress = { operations: 0, writes: 0 };
  private stopping = false;

  constructor(private readonly options: WorkerOptions) {}

  async run(): Promise<void> {
    process.on('message', (message: ToWorker) => {
      if (message.kind === 'stop') this.stopping = true;
      else jumpClock(message.offsetMs);
    });
    const application = await this.start();
    const history = new HistoryWriter(this.options.historyPath);
    const runner = new OperationRunner(application, history, this.options.profile);
    tell({ kind: 'ready' });
    const reports = setInterval(() => tell({ kind: 'progress', ...this.progress }), PROGRESS_MS);
    await Promise.all(Array.from({ length: this.options.lanes }, () => this.lane(runner)));
    clearInterval(reports);
    tell({ kind: 'progress', ...this.progress });
    tell({ kind: 'finished' });
    // Its sweeper goes on working until the whole run ends.
    while (!this.stopping) await sleep(50);
    await application.close();
    history.close();
  }

  private start(): Promise<INestApplicationContext> {
    const { profile, mysqlUrl, replicaUrl, elasticsearchUrl, sweeper, acknowledge, groupCommit } = this.options;
    const consistent = { acknowledge, groupCommit, ...(sweeper ? {} : { sweeper: false as const }) };
    const imports = itemModules({ profile, mysqlUrl, replicaUrl, elasticsearchUrl, consistent });
    class WorkerModule {}
    Module({ imports })(WorkerModule);
    return NestFactory.createApplicationContext(WorkerModule, { logger: ['error', 'warn'], abortOnError: false });
  }

  private async lane(runner: OperationRunner): Promise<void> {
    const { from, writes, onlyReads } = this.options;
    while (!this.stopping && (onlyReads || this.progress.writes < writes)) {
      const operation = planOperation(this.options, from + this.progress.operations++);
      if (operation.shape !== 'read') this.progress.writes += operation.writes.length;
      const answers = await runner.run(operation);
      // A compare-and-set ends with its read where there is nothing to write.
      if (operation.shape !== 'read' && answers.some(({ result }) => result === 'seen' || result === 'blind')) {
        this.progress.writes -= operation.writes.length;
      }
      if (answers.some(isOutage)) await sleep(OUTAGE_PAUSE_MS);
      else if (answers.some(({ result }) => result === 'blind')) await sleep(BLIND_PAUSE_MS);
      else if (onlyReads) await sleep(READER_PAUSE_MS);
    }
  }
}

function tell(message: FromWorker): void {
  process.send?.(message);
}

// The coordinator is gone: nobody would read what follows.
process.on('disconnect', () => process.exit(0));

new Worker(JSON.parse(process.argv[2]!) as WorkerOptions).run().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
