import type { ConsistentModuleOptions } from '../../../src/index.js';
import type { Stores } from '../../support/application.js';
import { ChildProgram } from '../../support/child.program.js';
import { PRODUCT_MAPPINGS } from '../../support/product.js';
import { elasticsearchUrl } from '../../support/servers.js';
import type { InstanceCommand, InstanceReport, InstanceSettings, LaneRow } from './reindex.process.js';

const PROGRAM = new URL('./reindex.process.ts', import.meta.url);

/** A title that the new mapping holds as a keyword, which finds whole titles only. */
export const NEW_MAPPINGS = {
  ...PRODUCT_MAPPINGS,
  properties: { ...PRODUCT_MAPPINGS.properties, title: { type: 'keyword' } },
} as const;

/** One instance of the application, in a process of its own. */
export class Instance {
  readonly reports: InstanceReport[] = [];
  private arrived = (): void => undefined;

  private constructor(private readonly child: ChildProgram) {
    child.onReport<InstanceReport>((report) => {
      this.reports.push(report);
      this.arrived();
    });
    child.onEnd(() => this.arrived());
  }

  static async start(
    stores: Stores,
    index: string,
    module: Partial<ConsistentModuleOptions> = {},
    addresses: { mysqlPort?: number; elasticsearchNode?: string } = {},
  ): Promise<Instance> {
    const { mysqlPort, elasticsearchNode = elasticsearchUrl() } = addresses;
    const connection = { ...stores.database.connection, ...(mysqlPort ? { port: mysqlPort } : {}) };
    const settings: InstanceSettings = { connection, elasticsearchNode, index, module };
    const child = new ChildProgram(PROGRAM, settings);
    const instance = new Instance(child);
    await child.ready();
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
    return this.child.hasEnded;
  }

  ended(): Promise<void> {
    return this.child.ended();
  }

  signal(signal: NodeJS.Signals): void {
    this.child.signal(signal);
  }

  kill(): Promise<void> {
    return this.child.kill();
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
