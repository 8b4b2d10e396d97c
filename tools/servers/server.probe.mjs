import { createConnection } from 'mysql2/promise';

const CONNECT_TIMEOUT_MS = 5_000;

/**
 * @param {string} url
 * @param {string} sql
 * @returns {Promise<Record<string, unknown>>} the first row
 */
export async function queryMysql(url, sql) {
  const connection = await createConnection({ uri: url, connectTimeout: CONNECT_TIMEOUT_MS });
  // A server that dies in mid-handshake must not end us with an unhandled 'error' event.
  connection.on('error', () => {});
  try {
    const [rows] = await connection.query(sql);
    return /** @type {Record<string, unknown>[]} */ (rows)[0] ?? {};
  } finally {
    connection.destroy();
  }
}

/** @param {string} url @returns {Promise<string>} its version */
export async function probeMysql(url) {
  return String((await queryMysql(url, 'SELECT VERSION() AS version')).version);
}

/**
 * `GET /` is not there in Elasticsearch's integration-test build, so the nodes are asked.
 * @param {string} url may hold a user and a password
 * @returns {Promise<string>} its version
 */
export async function probeElasticsearch(url) {
  const target = new URL(url);
  /** @type {Record<string, string>} */
  const headers = {};
  if (target.username) {
    // fetch refuses an address with a password in it.
    const login = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`;
    headers.authorization = `Basic ${Buffer.from(login).toString('base64')}`;
    target.username = target.password = '';
  }
  const base = target.href.replace(/\/$/, '');
  /** @param {string} path */
  const get = async (path) => {
    const response = await fetch(base + path, { headers, signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
    return /** @type {Promise<any>} */ (response.json());
  };
  await get('/_cluster/health?wait_for_status=yellow&timeout=3s');
  const { nodes } = await get('/_nodes/_local?filter_path=nodes.*.version');
  return String(Object.values(nodes ?? {})[0]?.version ?? 'unknown');
}
