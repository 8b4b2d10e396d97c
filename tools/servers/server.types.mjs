/**
 * @typedef {'mysql' | 'elasticsearch'} ServerKind
 * @typedef {'url' | 'docker' | 'native'} ServerSource
 */

/**
 * A running server. One from a URL cannot be controlled: kill, start, stop and restart fail with a `ServersError`.
 * @typedef {object} Server
 * @property {ServerKind} kind
 * @property {ServerSource} source
 * @property {string} url `mysql://root@127.0.0.1:41234` or `http://127.0.0.1:41235`; the same after a restart
 * @property {number} port
 * @property {string} version
 * @property {string | undefined} logFile the server's log (native only)
 * @property {number | undefined} pid of the server itself (native only, undefined while it is down)
 * @property {(signal?: NodeJS.Signals) => Promise<void>} kill default `SIGKILL`; resolves when the process is gone, or at
 *   once for a signal that does not end it (`SIGSTOP`, `SIGCONT`). The data stays.
 * @property {() => Promise<void>} start on the same port and data; resolves when it answers
 * @property {() => Promise<void>} stop in good order; the data stays
 * @property {() => Promise<void>} restart stop, then start
 * @property {() => Promise<void>} remove end it at once and delete its data: call this at the end of a test file
 */

/**
 * @typedef {object} MysqlOptions
 * @property {boolean} [durable] flush the redo log and the binlog at every commit; default false (tests)
 * @property {string[]} [settings] more mysqld options, e.g. `['--binlog-row-image=MINIMAL']`; the last one wins
 * @property {import('./progress.reporter.mjs').Reporter} [reporter] default: stderr
 */

/**
 * @typedef {object} ElasticsearchOptions
 * @property {string} [version] e.g. `8.19.5`; default `ELASTICSEARCH_VERSION`, else 9.5.0
 * @property {string} [heap] default `512m`
 * @property {Record<string, string | number | boolean>} [settings] more lines of elasticsearch.yml
 * @property {{name: string, className: string, jar: string}[]} [plugins] native packages only: those lack most modules that the image has
 * @property {import('./progress.reporter.mjs').Reporter} [reporter] default: stderr
 */

export {};
