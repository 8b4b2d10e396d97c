import { probeElasticsearch, probeMysql, queryMysql } from './server.probe.mjs';
import { reasonOf, ServersError } from './servers.error.mjs';

/** @param {string} url @returns {string} the same without its password, for messages */
export function withoutPassword(url) {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):.*@/i, '$1:***@');
}

/**
 * @param {string} variable
 * @param {string} url
 * @param {RegExp} pattern
 * @param {string} example
 */
function checkForm(variable, url, pattern, example) {
  if (pattern.test(url) && URL.canParse(url)) return;
  throw new ServersError(
    `${variable} is not a URL of the right form: ${withoutPassword(url)}`,
    `write it like ${example}, or unset ${variable}`,
  );
}

/**
 * @param {string} variable
 * @param {string} url
 * @param {(url: string) => Promise<string>} probe
 */
async function versionOf(variable, url, probe) {
  try {
    return await probe(url);
  } catch (error) {
    const fix = `start that server, or unset ${variable} to get one started for you`;
    throw new ServersError(`${variable}: no answer from ${withoutPassword(url)} (${reasonOf(error)})`, fix, error);
  }
}

/**
 * @param {string} url
 * @param {import('./server.types.mjs').MysqlOptions} options
 */
export async function useGivenMysql(url, options) {
  checkForm('MYSQL_URL', url, /^mysql:\/\//, 'mysql://root@127.0.0.1:3306');
  const version = await versionOf('MYSQL_URL', url, probeMysql);
  if (options.durable) {
    const row = await queryMysql(url, 'SELECT @@sync_binlog AS binlog, @@innodb_flush_log_at_trx_commit AS redo');
    if (Number(row.binlog) !== 1 || Number(row.redo) !== 1) {
      const fix = 'run SET GLOBAL sync_binlog = 1, GLOBAL innodb_flush_log_at_trx_commit = 1; or unset MYSQL_URL';
      throw new ServersError(
        `full durability is asked for, and the server at MYSQL_URL has sync_binlog=${String(row.binlog)} and innodb_flush_log_at_trx_commit=${String(row.redo)}`,
        fix,
      );
    }
  }
  return uncontrollable('mysql', 'MYSQL_URL', url, version, 3306);
}

/**
 * @param {string} url
 * @param {import('./server.types.mjs').ElasticsearchOptions} options
 */
export async function useGivenElasticsearch(url, options) {
  checkForm('ELASTICSEARCH_URL', url, /^https?:\/\//, 'http://127.0.0.1:9200');
  const version = await versionOf('ELASTICSEARCH_URL', url, probeElasticsearch);
  const wanted = options.version ?? process.env.ELASTICSEARCH_VERSION;
  if (wanted && version !== wanted) {
    const fix = 'unset ELASTICSEARCH_URL to get that version started, or unset ELASTICSEARCH_VERSION';
    throw new ServersError(`Elasticsearch ${wanted} is asked for, and ELASTICSEARCH_URL is ${version}`, fix);
  }
  return uncontrollable('elasticsearch', 'ELASTICSEARCH_URL', url, version, url.startsWith('https') ? 443 : 80);
}

/**
 * @param {import('./server.types.mjs').ServerKind} kind
 * @param {string} variable
 * @param {string} url
 * @param {string} version
 * @param {number} defaultPort
 * @returns {import('./server.types.mjs').Server}
 */
function uncontrollable(kind, variable, url, version, defaultPort) {
  const refuse = async () => {
    const fix = `unset ${variable}, or use ${kind === 'mysql' ? 'startMysql' : 'startElasticsearch'}() for a server of your own`;
    throw new ServersError(
      `the ${kind} at ${variable} was not started here and is not to be controlled from here`,
      fix,
    );
  };
  const port = Number(new URL(url).port) || defaultPort;
  const fixed = { kind, source: /** @type {const} */ ('url'), url, port, version, logFile: undefined, pid: undefined };
  return { ...fixed, kill: refuse, start: refuse, stop: refuse, restart: refuse, remove: async () => {} };
}
