import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serverUser } from './cache.folder.mjs';
import { runToEnd } from './child.process.mjs';
import { createDataFolder, removeStaleDataFolders } from './data.folder.mjs';
import { ELASTICSEARCH_VERSION, installElasticsearch } from './elasticsearch.install.mjs';
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
  const version = options.version ?? (process.env.ELASTICSEARCH_VERSION || undefined);
  const { home: installed, jdk } = await installElasticsearch(version, reporter);
  await removeStaleDataFolders();
  const folder = createDataFolder('elasticsearch');
  const [config, tmp, pidFile] = [join(folder, 'config'), join(folder, 'tmp'), join(folder, 'server.pid')];
  const home = options.plugins
    ? await homeWithPlugins(installed, folder, version ?? ELASTICSEARCH_VERSION, options.plugins)
    : installed;
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
      await cp(join(installed, 'config'), config, { recursive: true });
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
 * Plugins are looked for in the server's own folder, and what is installed is shared.
 * @param {string} installed
 * @param {string} folder
 * @param {string} version
 * @param {NonNullable<import('./server.types.mjs').ElasticsearchOptions['plugins']>} plugins
 */
async function homeWithPlugins(installed, folder, version, plugins) {
  const home = join(folder, 'home');
  await mkdir(join(home, 'plugins'), { recursive: true });
  for (const part of ['bin', 'lib', 'modules']) await symlink(join(installed, part), join(home, part));
  for (const { name, className, jar } of plugins) {
    const place = join(home, 'plugins', name);
    await mkdir(place);
    await cp(jar, join(place, `${name}.jar`));
    const facts = { name, description: name, version: '1', classname: className, 'java.version': '17' };
    const lines = Object.entries({ ...facts, 'elasticsearch.version': version }).map(
      ([key, value]) => `${key}=${value}`,
    );
    await writeFile(join(place, 'plugin-descriptor.properties'), `${lines.join('\n')}\n`);
  }
  return home;
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
