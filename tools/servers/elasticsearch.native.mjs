import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serverUser } from './cache.folder.mjs';
import { runToEnd } from './child.process.mjs';
import { createDataFolder, removeStaleDataFolders } from './data.folder.mjs';
import { installElasticsearch } from './elasticsearch.install.mjs';
import { NativeServer, startOrRemove } from './native.server.mjs';
import { createReporter } from './progress.reporter.mjs';
import { probeElasticsearch } from './server.probe.mjs';

export const DEFAULT_HEAP = '512m';

/**
 * @param {import('./server.types.mjs').ElasticsearchOptions} options
 * @returns {Promise<import('./server.types.mjs').Server>}
 */
export async function startNativeElasticsearch(options) {
  const reporter = options.reporter ?? createReporter();
  const { home, jdk } = await installElasticsearch(
    options.version ?? (process.env.ELASTICSEARCH_VERSION || undefined),
    reporter,
  );
  await removeStaleDataFolders();
  const folder = createDataFolder('elasticsearch');
  const [config, tmp, pidFile] = [join(folder, 'config'), join(folder, 'tmp'), join(folder, 'server.pid')];
  const heap = options.heap ?? DEFAULT_HEAP;
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    ES_JAVA_HOME: jdk.home,
    ES_PATH_CONF: config,
    ES_TMPDIR: tmp,
    ES_JAVA_OPTS: `-Xms${heap} -Xmx${heap}`,
  };

  const server = new NativeServer({
    kind: 'elasticsearch',
    folder,
    logFile: join(folder, 'server.log'),
    urlOf: (port) => `http://127.0.0.1:${port}`,
    probe: probeElasticsearch,
    readPid: async () => Number(await readFile(pidFile, 'utf8')),
    prepare: async (port) => {
      await rm(pidFile, { force: true });
      await cp(join(home, 'config'), config, { recursive: true });
      await mkdir(tmp, { recursive: true });
      const lines = elasticsearchSettings(folder, port, options.settings);
      await writeFile(join(config, 'elasticsearch.yml'), `${lines.join('\n')}\n`);
      const user = serverUser();
      if (user) await runToEnd('chown', ['-R', `${user.uid}:${user.gid}`, folder]);
      return { program: join(home, 'bin/elasticsearch'), args: ['-p', pidFile], env };
    },
  });
  return startOrRemove(server);
}

/**
 * @param {string} folder
 * @param {number} port
 * @param {Record<string, string | number | boolean>} [settings]
 */
export function elasticsearchSettings(folder, port, settings = {}) {
  const all = {
    'cluster.name': 'nest-consistent',
    'node.name': 'node-1',
    'discovery.type': 'single-node',
    'http.host': '127.0.0.1',
    'http.port': port,
    'transport.host': '127.0.0.1',
    'transport.port': 0,
    'path.data': join(folder, 'data'),
    'path.logs': join(folder, 'logs'),
    'xpack.security.enabled': false,
    // A full developer disk must not make indices read-only.
    'cluster.routing.allocation.disk.threshold_enabled': false,
    ...settings,
  };
  // JSON is YAML, and quotes what needs it.
  return Object.entries(all).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
}
