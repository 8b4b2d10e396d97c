import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ConsistentModuleOptions } from '../../../src/index.js';
import type { Stores } from '../../support/application.js';
import { elasticsearchUrl } from '../../support/servers.js';
import type { InstanceCommand, InstanceReport, InstanceSettings, LaneRow } from './reindex.process.js';

const LOADER = new URL('../../support/typescript.loader.mjs', import.meta.url).href;
const PROGRAM = fileURLToPath(new URL('./reindex.process.ts', import.meta.url));

/** A title that the new mapping holds as a keyword, which finds whole titles only. */
export const NEW_MAPPINGS = {
  dynamic: 'strict',
  properties: {
    id: { type: 'keyword' },
    sku: { type: 'keyword' },
    title: { type: 'keyword' },
    price: { type: 'double' },
    stock: { type: 'integer' },
    attributes: { type: 'object', enabled: false },
    releasedAt: { type: 'date' },
    active: { type: 'boolean' },
    createdAt: { type: 'date' },
    updatedAt: { type: 'date' },
    deletedAt: { type: 'date' },
    revision: { type: 'integer' },
  },
} as const;

/** One instance of the application, in a process of its own. */
export class Instance {
  readonly reports: InstanceReport[] = [];
  private arrived = (): void => undefined;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (message) => {
      if (typeof message !== 'object') return;
      this.reports.push(message as InstanceReport);
      this.arrived();
    });
    child.on('exit', () => this.arrived());
  }

  static async start(
    stores: Stores,
    index: string,
    module: Partial<ConsistentModuleOptions> = {},
    addresses: { mysqlPort?: number; elasticsearchNode?: string } = {},
  ): Promise<Instance> {
    const child = fork(PROGRAM, [], { execArgv: ['--import', LOADER], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const { mysqlPort, elasticsearchNode = elasticsearchUrl() } = addresses;
    const connection = { ...stores.database.connection, ...(mysqlPort ? { port: mysqlPort } : {}) };
    const settings: InstanceSettings = { connection, elasticsearchNode, index, module };
    const instance = new Instance(child);
    child.send(settings);
    const ended = once(child, 'exit').then(() => {
      throw new Error('the instance ended before it was ready');
    });
    await Promise.race([once(child, 'message'), ended]);
    ended.catch(() => undefined);
    return instance;
  }

  send(command: InstanceCommand): void {
    this.child.send(command);
  }

  /** The first report that fits, of those that came and those that will. Rejects where the process ends without it. */
  async report<Report extends InstanceReport>(fits: (report: InstanceReport) => report is Report): Promise<Report> {
    for (;;) {
      const found = this.reports.find(fits);
      if (found) return found;
      if (this.hasEnded) throw new Error(`the instance ended; it had said ${JSON.stringify(this.reports.slice(-3))}`);
      await new Promise<void>((resolve) => {
        this.arrived = resolve;
      });
    }
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async ended(): Promise<void> {
    if (!this.hasEnded) await once(this.child, 'exit');
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async kill(): Promise<void> {
    if (this.hasEnded) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  /** What its lanes have written, once they have ended. */
  async stopWriting() {
    this.send({ kind: 'stop' });
    return this.report((report): report is Extract<InstanceReport, { written: LaneRow[] }> => 'written' in report);
  }

  /** How its reindex ended. */
  async reindexEnd() {
    type End = Extract<InstanceReport, { reindexed: unknown } | { failed: unknown }>;
    return this.report((report): report is End => 'reindexed' in report || 'failed' in report);
  }
}

/** What of the acknowledged writes is not so in both stores; empty where nothing was lost. */
export async function lost(stores: Stores, alias: string, rows: readonly LaneRow[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const { id, title, doubt } of rows) {
    const row = await stores.row('product', id);
    const document = await stores.document(alias, id);
    const inMysql = (row?.['title'] as string | undefined) ?? null;
    const inIndex = (document?.source['title'] as string | undefined) ?? null;
    // After an error the caller knows nothing; both stores must agree all the same.
    if (inMysql !== inIndex) wrong.push(`${id}: row ${inMysql}, document ${inIndex}`);
    else if (!doubt && inMysql !== title) wrong.push(`${id}: ${inMysql}, acknowledged ${title}`);
  }
  return wrong;
}

export async function until(what: string, isSo: () => Promise<boolean> | boolean, withinMs = 30_000): Promise<void> {
  const endsAt = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > endsAt) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(20);
  }
}
