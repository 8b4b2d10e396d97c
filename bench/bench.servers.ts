import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { BenchServers } from './cell.types.js';

/** What is used of tools/servers. Written down here, because the tool is plain JavaScript that is not compiled. */
interface ServersTool {
  startServers: (options: { durable: boolean }) => Promise<{
    mysqlUrl: string;
    elasticsearchUrl: string;
    mysql: { pid: number | undefined };
    elasticsearch: { pid: number | undefined };
    stop: () => Promise<void>;
  }>;
}

/** MySQL flushes redo log and binlog at every commit, Elasticsearch its translog at every request. */
export async function startBenchServers(): Promise<{ servers: BenchServers; stop: () => Promise<void> }> {
  const file = join(projectRoot(), 'tools/servers/servers.mjs');
  const { startServers } = (await import(pathToFileURL(file).href)) as ServersTool;
  const { mysqlUrl, elasticsearchUrl, mysql, elasticsearch, stop } = await startServers({ durable: true });
  return {
    servers: { mysqlUrl, elasticsearchUrl, mysqlPid: mysql.pid, elasticsearchPid: elasticsearch.pid },
    stop,
  };
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
  throw new Error('package.json of nest-consistent was not found above the benchmark');
}
