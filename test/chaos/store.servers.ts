import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { replicate } from './replica.link.js';
import type { Store } from './fault.schedule.js';

/** What is used of tools/servers. Written down here, because the tool is plain JavaScript that the harness does not compile. */
interface Server {
  readonly url: string;
  kill(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}

interface ServersTool {
  startMysql: (options: { durable: boolean; settings?: string[]; reporter: object }) => Promise<Server>;
  startElasticsearch: (options: { reporter: object }) => Promise<Server>;
}

/** The servers of one run; the first two are killed and started again on the same data. */
export class StoreServers {
  kills = 0;
  private readonly busy = new Set<Store>();

  private constructor(
    readonly mysql: Server,
    readonly elasticsearch: Server,
    readonly replica: Server | undefined,
  ) {}

  static async start(say: (line: string) => void, withReplica: boolean): Promise<StoreServers> {
    const { startMysql, startElasticsearch } = await serversTool();
    const reporter = { say, track: (_what: string, _size: unknown, _total: unknown, work: Promise<unknown>) => work };
    const started = await Promise.allSettled([
      startMysql({ durable: true, reporter }),
      startElasticsearch({ reporter }),
      ...(withReplica ? [startMysql({ durable: false, settings: ['--server-id=2'], reporter })] : []),
    ]);
    const servers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const [mysql, elasticsearch, replica] = servers;
    const failed = started.find((one) => one.status === 'rejected');
    try {
      if (failed || !mysql || !elasticsearch) throw failed?.reason as Error;
      if (replica) await replicate(mysql.url, replica.url);
      return new StoreServers(mysql, elasticsearch, replica);
    } catch (error) {
      await Promise.all(servers.map((server) => server.remove()));
      throw error;
    }
  }

  /** `kill -9`, a pause, and up again. False when it is down already. */
  async killAndRestart(store: Store, downMs: number): Promise<boolean> {
    if (this.busy.has(store)) return false;
    this.busy.add(store);
    await this[store].kill('SIGKILL');
    this.kills++;
    await sleep(downMs);
    await this[store].start();
    this.busy.delete(store);
    return true;
  }

  async remove(): Promise<void> {
    await Promise.all([this.mysql.remove(), this.elasticsearch.remove(), this.replica?.remove()]);
  }
}

/** The tool finds its own files beside it, so it runs from where it lies and not from the compiled harness. */
function serversTool(): Promise<ServersTool> {
  const file = join(projectRoot(), 'tools/servers/servers.mjs');
  return import(pathToFileURL(file).href) as Promise<ServersTool>;
}

export function projectRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string };
      if (name === 'nest-consistent') return folder;
    } catch {
      // Not here; look further up.
    }
  }
  throw new Error('package.json of nest-consistent was not found above the harness');
}
