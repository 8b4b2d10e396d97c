import { ServersError } from './servers.error.mjs';

export const USAGE = `Gets a MySQL and an Elasticsearch: from MYSQL_URL / ELASTICSEARCH_URL, else Docker, else native packages.

  node tools/servers/servers.cli.mjs run [options] -- COMMAND...   run COMMAND with MYSQL_URL and ELASTICSEARCH_URL set
  node tools/servers/servers.cli.mjs up [options]                  print the URLs and keep running until Ctrl-C
  node tools/servers/servers.cli.mjs install [options]             download only
  node tools/servers/servers.cli.mjs clean                         remove the downloaded servers

  --only mysql|elasticsearch   just one of them
  --durable                    MySQL flushes to disk at every commit (for benchmarks)

  NEST_CONSISTENT_CACHE        where native servers are unpacked
  NEST_CONSISTENT_SERVERS      docker or native: do not look for the other
  ELASTICSEARCH_VERSION        e.g. 8.19.5
`;

const FIX = 'node tools/servers/servers.cli.mjs help';
const ACTIONS = /** @type {const} */ (['run', 'up', 'install', 'clean', 'help']);

/**
 * @typedef {object} Arguments
 * @property {typeof ACTIONS[number]} action
 * @property {import('./server.types.mjs').ServerKind} [only]
 * @property {boolean} durable
 * @property {string[]} command
 */

/**
 * @param {string[]} args without node and the script
 * @returns {Arguments}
 */
export function parseArguments([name = 'help', ...rest]) {
  const action = ACTIONS.find((known) => known === name.replace(/^--?(?=help$)/, ''));
  if (!action) throw new ServersError(`there is no command ${name}`, FIX);
  const split = rest.indexOf('--');
  const options = split === -1 ? rest : rest.slice(0, split);
  /** @type {Arguments} */
  const parsed = { action, durable: false, command: split === -1 ? [] : rest.slice(split + 1) };
  while (options.length > 0) {
    const [option, inline] = /** @type {string} */ (options.shift()).split('=', 2);
    if (option === '--durable' && inline === undefined) parsed.durable = true;
    else if (option === '--only') {
      const kind = inline ?? options.shift();
      if (kind !== 'mysql' && kind !== 'elasticsearch')
        throw new ServersError('--only takes mysql or elasticsearch', FIX);
      parsed.only = kind;
    } else
      throw new ServersError(
        `there is no option ${option}${action === 'run' ? ' (the command comes after --)' : ''}`,
        FIX,
      );
  }
  if (action === 'run' && parsed.command.length === 0)
    throw new ServersError('no command to run', 'servers.cli.mjs run -- COMMAND...');
  return parsed;
}
