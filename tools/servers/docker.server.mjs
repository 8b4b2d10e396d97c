import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from './data.folder.mjs';
import { DEFAULT_HEAP } from './elasticsearch.native.mjs';
import { ELASTICSEARCH_VERSION } from './elasticsearch.install.mjs';
import { MYSQL_VERSION } from './mysql.install.mjs';
import { mysqlSettings } from './mysql.settings.mjs';
import { createReporter } from './progress.reporter.mjs';
import { probeElasticsearch, probeMysql } from './server.probe.mjs';
import { reasonOf, ServersError } from './servers.error.mjs';

const START_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_S = 60;
const POLL_MS = 100;
const FIX = 'look at `docker ps -a` and `docker logs`, or set NEST_CONSISTENT_SERVERS=native to do without Docker';

/**
 * @param {import('./server.types.mjs').ServerKind} kind
 * @param {string} [version]
 */
export function imageOf(kind, version) {
  return kind === 'mysql'
    ? `mysql:${MYSQL_VERSION}`
    : `elasticsearch:${version ?? (process.env.ELASTICSEARCH_VERSION || ELASTICSEARCH_VERSION)}`;
}

// Loaded only where an engine answers: it is big.
const loadTestcontainers = () => import('testcontainers');

/**
 * @param {import('./server.types.mjs').ServerKind} kind
 * @param {string | undefined} version
 * @param {import('./progress.reporter.mjs').Reporter} reporter
 */
export async function pullImage(kind, version, reporter) {
  const { getContainerRuntimeClient, ImageName } = await loadTestcontainers();
  const image = ImageName.fromString(imageOf(kind, version));
  const client = await getContainerRuntimeClient();
  if (await client.image.exists(image)) return;
  reporter.say(`pulling the image ${image.string} …`);
  try {
    await client.image.pull(image);
  } catch (error) {
    throw new ServersError(
      `cannot pull ${image.string}: ${reasonOf(error)}`,
      `docker pull ${image.string}, or set NEST_CONSISTENT_SERVERS=native`,
      error,
    );
  }
}

/**
 * @param {import('./server.types.mjs').MysqlOptions} options
 * @returns {Promise<import('./server.types.mjs').Server>}
 */
export async function startDockerMysql(options) {
  const reporter = options.reporter ?? createReporter();
  await pullImage('mysql', undefined, reporter);
  const { GenericContainer } = await loadTestcontainers();
  const port = await findFreePort();
  const container = new GenericContainer(imageOf('mysql'))
    .withEnvironment({ MYSQL_ALLOW_EMPTY_PASSWORD: 'yes', MYSQL_ROOT_HOST: '%' })
    .withCommand(mysqlSettings(options));
  return runContainer('mysql', container, 3306, port, (host) => `mysql://root@${host}:${port}`, probeMysql);
}

/**
 * @param {import('./server.types.mjs').ElasticsearchOptions} options
 * @returns {Promise<import('./server.types.mjs').Server>}
 */
export async function startDockerElasticsearch(options) {
  const reporter = options.reporter ?? createReporter();
  await pullImage('elasticsearch', options.version, reporter);
  const { GenericContainer } = await loadTestcontainers();
  const port = await findFreePort();
  const heap = options.heap ?? DEFAULT_HEAP;
  const settings = Object.entries(options.settings ?? {}).map(([name, value]) => [name, String(value)]);
  const container = new GenericContainer(imageOf('elasticsearch', options.version)).withEnvironment({
    'discovery.type': 'single-node',
    'xpack.security.enabled': 'false',
    'cluster.routing.allocation.disk.threshold_enabled': 'false',
    ES_JAVA_OPTS: `-Xms${heap} -Xmx${heap}`,
    ...Object.fromEntries(settings),
  });
  return runContainer('elasticsearch', container, 9200, port, (host) => `http://${host}:${port}`, probeElasticsearch);
}

/**
 * @param {import('./server.types.mjs').ServerKind} kind
 * @param {import('testcontainers').GenericContainer} container
 * @param {number} innerPort
 * @param {number} port on the host; fixed, so that it survives a restart
 * @param {(host: string) => string} urlOf
 * @param {(url: string) => Promise<string>} probe
 * @returns {Promise<import('./server.types.mjs').Server>}
 */
async function runContainer(kind, container, innerPort, port, urlOf, probe) {
  const { getContainerRuntimeClient } = await loadTestcontainers();
  const started = await container
    .withExposedPorts({ container: innerPort, host: port })
    .withStartupTimeout(START_TIMEOUT_MS)
    .start()
    .catch((error) => {
      throw new ServersError(`Docker could not start ${kind}: ${reasonOf(error)}`, FIX, error);
    });
  const handle = (await getContainerRuntimeClient()).container.getById(started.getId());
  const url = urlOf(started.getHost());

  const ready = async () => {
    const giveUpAt = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      try {
        return await probe(url);
      } catch (error) {
        if (Date.now() > giveUpAt)
          throw new ServersError(`${kind} in Docker does not answer: ${reasonOf(error)}`, FIX, error);
        await sleep(POLL_MS);
      }
    }
  };
  /** @type {import('./server.types.mjs').Server} */
  const server = {
    kind,
    source: 'docker',
    url,
    port,
    version: '',
    logFile: undefined,
    pid: undefined,
    kill: async (signal = 'SIGKILL') => {
      await handle.kill({ signal });
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await handle.wait();
    },
    start: async () => {
      await handle.start();
      await ready();
    },
    stop: async () => void (await handle.stop({ t: STOP_TIMEOUT_S })),
    restart: async () => {
      await server.stop();
      await server.start();
    },
    remove: async () => void (await handle.remove({ force: true, v: true })),
  };
  server.version = await ready().catch(async (error) => {
    await server.remove();
    throw error;
  });
  return server;
}
