import { join } from 'node:path';
import { runToEnd } from './child.process.mjs';
import { loaderPaths, unpackPackages } from './debian.packages.mjs';

/** Keep in step with docker-compose.yml. Debian decides about the last number. */
export const MYSQL_VERSION = '9.7';

/**
 * @typedef {object} InstalledMysql
 * @property {string} home
 * @property {string} program the loader that runs mysqld
 * @property {string[]} args what the loader and mysqld need before any option of a server
 */

/**
 * @param {import('./progress.reporter.mjs').Reporter} reporter
 * @returns {Promise<InstalledMysql>}
 */
export async function installMysql(reporter) {
  const home = await unpackPackages({
    name: `mysql-${MYSQL_VERSION}`,
    packages: ['mysql-server-core'],
    reporter,
    finish: async (folder) => {
      const { program, args } = commandOf(folder);
      await runToEnd(program, [...args, '--version']);
    },
  });
  return { home, ...commandOf(home) };
}

/** @param {string} home */
function commandOf(home) {
  const { libraries, loader } = loaderPaths();
  const args = ['--library-path', join(home, libraries), join(home, 'usr/sbin/mysqld'), '--no-defaults'];
  args.push(`--basedir=${home}/usr`, `--lc-messages-dir=${home}/usr/share/mysql`);
  args.push(`--character-sets-dir=${home}/usr/share/mysql/charsets`, `--plugin-dir=${home}/usr/lib/mysql/plugin`);
  return { program: join(home, loader), args };
}
