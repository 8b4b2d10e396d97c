import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runToEnd } from './child.process.mjs';
import { serverUser } from './cache.folder.mjs';
import { createDataFolder, removeStaleDataFolders } from './data.folder.mjs';
import { installMysql } from './mysql.install.mjs';
import { mysqlSettings } from './mysql.settings.mjs';
import { NativeServer, startOrRemove } from './native.server.mjs';
import { createReporter } from './progress.reporter.mjs';
import { probeMysql } from './server.probe.mjs';

/** With --skip-name-resolve 'localhost' is the socket alone, so TCP needs a root of its own. */
const FIRST_SQL = `CREATE USER root@'127.0.0.1' IDENTIFIED BY '';
GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
`;

/**
 * @param {import('./server.types.mjs').MysqlOptions} options
 * @returns {Promise<import('./server.types.mjs').Server>}
 */
export async function startNativeMysql(options) {
  const { program, args: commonArgs } = await installMysql(options.reporter ?? createReporter());
  await removeStaleDataFolders();
  const folder = createDataFolder('mysql');
  const data = join(folder, 'data');
  const socket = join(folder, 'mysqld.sock');
  // A preloaded library of the host does not fit the server's own libc.
  const env = { PATH: process.env.PATH, HOME: folder, TMPDIR: folder };
  const args = [...commonArgs, `--datadir=${data}`];

  const server = new NativeServer({
    kind: 'mysql',
    folder,
    logFile: join(folder, 'mysqld.log'),
    urlOf: (port) => `mysql://root@127.0.0.1:${port}`,
    probe: probeMysql,
    prepare: async (port) => {
      const initialised = join(folder, 'initialised');
      if (!existsSync(initialised)) {
        await rm(data, { recursive: true, force: true });
        const firstSql = join(folder, 'first.sql');
        await writeFile(firstSql, FIRST_SQL, { mode: 0o644 });
        const user = serverUser();
        const as = { env, ...(user && { uid: user.uid, gid: user.gid }) };
        // The data directory is made for one setting of it, and refuses every other.
        const forGood = (options.settings ?? []).filter((setting) => setting.startsWith('--lower-case-table-names'));
        await runToEnd(program, [...args, ...forGood, '--initialize-insecure', `--init-file=${firstSql}`], as);
        await writeFile(initialised, '');
      }
      const place = [`--port=${port}`, '--bind-address=127.0.0.1', `--socket=${socket}`];
      place.push(`--pid-file=${join(folder, 'mysqld.pid')}`);
      return { program, env, args: [...args, ...place, ...mysqlSettings(options)] };
    },
  });
  return startOrRemove(server);
}
