import type { Server } from '../../tools/servers/server.types.mjs';
import { silentReporter } from '../../tools/servers/progress.reporter.mjs';
import { startElasticsearch, startMysql } from '../../tools/servers/servers.mjs';

/** Servers of one test file alone: they may be killed and restarted, with their data. */
export interface OwnServers {
  mysql: Server;
  elasticsearch: Server;
  /** Ends both, deletes their data, and gives the run its own servers back. */
  remove(): Promise<void>;
}

/** Starts them and points this file's `MYSQL_URL` and `ELASTICSEARCH_URL` at them. */
export async function startOwnServers(): Promise<OwnServers> {
  const { MYSQL_URL, ELASTICSEARCH_URL } = process.env;
  const [mysql, elasticsearch] = await Promise.all([
    startMysql({ durable: true, reporter: silentReporter }),
    startElasticsearch({ reporter: silentReporter }),
  ]);
  Object.assign(process.env, { MYSQL_URL: mysql.url, ELASTICSEARCH_URL: elasticsearch.url });
  return {
    mysql,
    elasticsearch,
    remove: async () => {
      Object.assign(process.env, { MYSQL_URL, ELASTICSEARCH_URL });
      await Promise.all([mysql.remove(), elasticsearch.remove()]);
    },
  };
}
