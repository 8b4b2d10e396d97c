import type { Client } from '@elastic/elasticsearch';
import type { DataSource } from 'typeorm';
import { queryPrimary } from '../mysql/statement.timeout.js';
import { ReportPart } from './report.part.js';
import type { StoreStatus } from './status.types.js';

interface Pong {
  readonly latencyMs: number;
  readonly version: string | null;
  readonly health: 'green' | 'yellow' | 'red' | null;
}

export interface ProbeOptions {
  /** How long an answer is good for, in ms. */
  readonly ttlMs: number;
  /** How long a reader waits, in ms. */
  readonly patienceMs: number;
  /** How long one question may take, in ms: longer, for ending it costs a connection. */
  readonly timeoutMs: number;
}

/** Whether a store answers, and since when it does not. */
export class StoreProbe {
  private readonly part: ReportPart<Pong>;
  private failingSince: number | null = null;

  constructor(
    private readonly kind: StoreStatus['kind'],
    private readonly name: string,
    ask: () => Promise<Pick<Pong, 'version' | 'health'>>,
    options: ProbeOptions,
  ) {
    const timed = async (): Promise<Pong> => {
      const began = performance.now();
      return { ...(await ask()), latencyMs: performance.now() - began };
    };
    this.part = new ReportPart(timed, options);
  }

  static ofMysql(name: string, dataSource: DataSource, options: ProbeOptions): StoreProbe {
    const ask = async () => {
      const sql = 'SELECT VERSION() AS version';
      const [row] = (await queryPrimary(dataSource, sql, [], options.timeoutMs)) as { version: string }[];
      return { version: row!.version, health: null };
    };
    return new StoreProbe('mysql', name, ask, options);
  }

  static ofElasticsearch(client: Client, options: ProbeOptions): StoreProbe {
    const ask = async () => {
      const limits = { requestTimeout: options.timeoutMs, maxRetries: 0 };
      const health = await client.cluster.health({ filter_path: 'status' }, limits).catch(async (error: unknown) => {
        // It answers, but this user may not ask for the cluster's health.
        if ((error as { statusCode?: number }).statusCode === 403) return null;
        throw error;
      });
      const status = health?.status.toLowerCase() as 'green' | 'yellow' | 'red' | undefined;
      return { version: null, health: status ?? null };
    };
    return new StoreProbe('elasticsearch', 'elasticsearch', ask, options);
  }

  async read(): Promise<StoreStatus> {
    const answer = await this.part.read();
    const { kind, name } = this;
    if (answer.ok) {
      this.failingSince = null;
      return { kind, name, reachable: true, failingForMs: 0, error: null, ...answer.data };
    }
    const now = performance.now();
    this.failingSince ??= now;
    const failingForMs = now - this.failingSince;
    return {
      kind,
      name,
      reachable: false,
      failingForMs,
      error: answer.error,
      latencyMs: null,
      version: null,
      health: null,
    };
  }
}
