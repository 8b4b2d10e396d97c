import type { Client } from '@elastic/elasticsearch';
import { answerOf, ReportPart } from './report.part.js';
import type { Answer } from './status.types.js';
import type { ProbeOptions } from './store.probe.js';

const STALE_MS = 30_000;
const PARALLEL = 4;

/** How many documents each index has, as of its last refresh. */
export class DocumentCounter {
  readonly part: ReportPart<ReadonlyMap<string, Answer<number>>>;

  constructor(
    private readonly client: Client,
    private readonly aliases: () => Iterable<string>,
    private readonly options: ProbeOptions,
  ) {
    this.part = new ReportPart(() => this.counts(), { ...options, staleMs: STALE_MS });
  }

  private async counts(): Promise<Map<string, Answer<number>>> {
    const open = [...new Set(this.aliases())];
    const counts = new Map<string, Answer<number>>();
    const work = async (): Promise<void> => {
      for (let alias = open.shift(); alias !== undefined; alias = open.shift()) {
        const index = alias;
        counts.set(index, await answerOf(() => this.count(index)));
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    return counts;
  }

  private async count(index: string): Promise<number> {
    const { count } = await this.client.count({ index }, { requestTimeout: this.options.timeoutMs, maxRetries: 0 });
    return count;
  }
}
