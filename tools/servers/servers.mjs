import { obstacleToPackages } from './debian.packages.mjs';
import { isDockerThere } from './docker.engine.mjs';
import { pullImage, startDockerElasticsearch, startDockerMysql } from './docker.server.mjs';
import { installElasticsearch } from './elasticsearch.install.mjs';
import { startNativeElasticsearch } from './elasticsearch.native.mjs';
import { useGivenElasticsearch, useGivenMysql, withoutPassword } from './given.server.mjs';
import { installMysql } from './mysql.install.mjs';
import { startNativeMysql } from './mysql.native.mjs';
import { createReporter } from './progress.reporter.mjs';
import { ServersError } from './servers.error.mjs';

/**
 * @typedef {import('./server.types.mjs').Server} Server
 * @typedef {import('./server.types.mjs').ServerKind} ServerKind
 * @typedef {import('./server.types.mjs').MysqlOptions} MysqlOptions
 * @typedef {import('./server.types.mjs').ElasticsearchOptions} ElasticsearchOptions
 */

/**
 * @typedef {object} ServersOptions
 * @property {ServerKind} [only] just one of the two
 * @property {boolean} [durable] MySQL flushes at every commit (benchmarks); default false
 * @property {string} [elasticsearchVersion] default: $ELASTICSEARCH_VERSION, else 9.5.0
 * @property {import('./progress.reporter.mjs').Reporter} [reporter] default: stderr
 */

/**
 * @typedef {object} Servers
 * @property {string | undefined} mysqlUrl undefined only with `only: 'elasticsearch'`
 * @property {string | undefined} elasticsearchUrl undefined only with `only: 'mysql'`
 * @property {Server | undefined} mysql
 * @property {Server | undefined} elasticsearch
 * @property {() => Promise<void>} stop ends what was started here and deletes its data; leaves servers from URLs alone
 */

/** @returns {Promise<{source: 'docker' | 'native', why: string}>} */
async function chooseOwnSource() {
  const asked = process.env.NEST_CONSISTENT_SERVERS;
  if (asked === 'docker' && !(await isDockerThere())) {
    const fix = 'start Docker, check DOCKER_HOST, or unset NEST_CONSISTENT_SERVERS';
    throw new ServersError('NEST_CONSISTENT_SERVERS=docker, and no Docker engine answers', fix);
  }
  if (asked === 'docker' || asked === 'native') return { source: asked, why: `NEST_CONSISTENT_SERVERS=${asked}` };
  if (asked) throw new ServersError(`NEST_CONSISTENT_SERVERS is ${asked}`, 'set it to docker or native, or unset it');
  if (await isDockerThere()) return { source: 'docker', why: 'a Docker engine answers' };
  return { source: 'native', why: 'no Docker engine answers' };
}

/**
 * @param {Server} server
 * @param {string} why
 * @param {import('./progress.reporter.mjs').Reporter} reporter
 */
function tell(server, why, reporter) {
  const pid = server.pid === undefined ? '' : `, pid ${server.pid}`;
  const source = { url: 'yours', docker: 'in Docker', native: 'native' }[server.source];
  reporter.say(`${server.kind} ${server.version} ${source} at ${withoutPassword(server.url)}${pid} (${why})`);
  return server;
}

/**
 * A MySQL of the caller's own, to kill, restart or start with special options. Call `remove()` at the end.
 * @param {MysqlOptions} [options]
 * @returns {Promise<Server>}
 * @throws {ServersError} where there is neither Docker nor a way to unpack packages; MYSQL_URL is not used
 */
export async function startMysql(options = {}) {
  const reporter = options.reporter ?? createReporter();
  const { source, why } = await chooseOwnSource();
  if (source === 'docker') return tell(await startDockerMysql({ ...options, reporter }), why, reporter);
  return tell(await startNativeMysql({ ...options, reporter }).catch(explain('mysql')), why, reporter);
}

/**
 * An Elasticsearch of the caller's own. Call `remove()` at the end.
 * @param {ElasticsearchOptions} [options]
 * @returns {Promise<Server>}
 * @throws {ServersError} where there is neither Docker nor a way to unpack packages; ELASTICSEARCH_URL is not used
 */
export async function startElasticsearch(options = {}) {
  const reporter = options.reporter ?? createReporter();
  const { source, why } = await chooseOwnSource();
  if (source === 'docker') return tell(await startDockerElasticsearch({ ...options, reporter }), why, reporter);
  return tell(await startNativeElasticsearch({ ...options, reporter }).catch(explain('elasticsearch')), why, reporter);
}

/** @param {ServerKind} kind @returns {(error: unknown) => Promise<never>} */
function explain(kind) {
  return async (error) => {
    const obstacle = await obstacleToPackages();
    if (!obstacle || !(error instanceof ServersError)) throw error;
    const fix = `start a Docker engine, or, for tests that do not restart servers, set ${kind.toUpperCase()}_URL`;
    throw new ServersError(
      `cannot start ${kind}: no Docker engine answers, and native packages do not work here: ${error.message}`,
      fix,
      error,
    );
  };
}

/**
 * The pair that a test run, the demo or a benchmark shares. First match wins: MYSQL_URL / ELASTICSEARCH_URL, Docker,
 * native packages.
 * @param {ServersOptions} [options]
 * @returns {Promise<Servers>}
 */
export async function startServers({ only, durable, elasticsearchVersion, reporter = createReporter() } = {}) {
  const { MYSQL_URL, ELASTICSEARCH_URL } = process.env;
  /** @type {MysqlOptions} */
  const mysqlOptions = { durable, reporter };
  /** @type {ElasticsearchOptions} */
  const elasticsearchOptions = { version: elasticsearchVersion, reporter };
  const mysql = async () => {
    if (!MYSQL_URL) return startMysql(mysqlOptions);
    return tell(await useGivenMysql(MYSQL_URL, mysqlOptions), 'MYSQL_URL is set', reporter);
  };
  const elasticsearch = async () => {
    if (!ELASTICSEARCH_URL) return startElasticsearch(elasticsearchOptions);
    return tell(
      await useGivenElasticsearch(ELASTICSEARCH_URL, elasticsearchOptions),
      'ELASTICSEARCH_URL is set',
      reporter,
    );
  };
  const [first, second] = await Promise.allSettled([
    only === 'elasticsearch' ? undefined : mysql(),
    only === 'mysql' ? undefined : elasticsearch(),
  ]);
  const started = [first, second].map((result) => (result.status === 'fulfilled' ? result.value : undefined));
  const stop = async () => {
    await Promise.all(started.map(async (server) => server?.remove()));
  };
  for (const result of [first, second]) {
    if (result.status === 'fulfilled') continue;
    await stop();
    throw result.reason;
  }
  const [mysqlServer, elasticsearchServer] = started;
  return {
    mysqlUrl: mysqlServer?.url,
    elasticsearchUrl: elasticsearchServer?.url,
    mysql: mysqlServer,
    elasticsearch: elasticsearchServer,
    stop,
  };
}

/**
 * Downloads what startServers would need, and starts nothing.
 * @param {Pick<ServersOptions, 'only' | 'elasticsearchVersion' | 'reporter'>} [options]
 */
export async function installServers({ only, elasticsearchVersion, reporter = createReporter() } = {}) {
  const { source, why } = await chooseOwnSource();
  const version = elasticsearchVersion ?? (process.env.ELASTICSEARCH_VERSION || undefined);
  for (const kind of /** @type {ServerKind[]} */ (['mysql', 'elasticsearch'])) {
    if (only && only !== kind) continue;
    if (source === 'docker') await pullImage(kind, version, reporter);
    else if (kind === 'mysql') await installMysql(reporter).catch(explain(kind));
    else await installElasticsearch(version, reporter).catch(explain(kind));
    reporter.say(`${kind}: ready to start, ${source} (${why})`);
  }
}

export { ServersError };
