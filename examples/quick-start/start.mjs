// Runs main.ts against the servers at MYSQL_URL and ELASTICSEARCH_URL, in a database of its own, and leaves nothing behind:
//   npm run servers -- run -- node examples/quick-start/start.mjs
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformFileSync } from '@swc/core';
import { createConnection } from 'mysql2/promise';

const { MYSQL_URL, ELASTICSEARCH_URL } = process.env;
if (!MYSQL_URL || !ELASTICSEARCH_URL) {
  console.error(
    'MYSQL_URL and ELASTICSEARCH_URL are not set. Run: npm run servers -- run -- node examples/quick-start/start.mjs',
  );
  process.exit(2);
}

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
mkdirSync(join(here, 'build'), { recursive: true });
const build = mkdtempSync(join(here, 'build/run-'));
const database = `quick_start_${process.pid}`;
const url = new URL(MYSQL_URL);
url.pathname = `/${database}`;

try {
  await onServer(`CREATE DATABASE ${database}`);
  await removeIndex();
  compile();
  execFileSync(process.execPath, [join(build, 'main.js')], {
    stdio: 'inherit',
    env: { ...process.env, MYSQL_URL: url.href },
  });
} finally {
  rmSync(build, { recursive: true, force: true });
  await removeIndex();
  await onServer(`DROP DATABASE IF EXISTS ${database}`);
}

/** The library and main.ts, in a folder whose package.json makes `nest-consistent` resolve to them. */
function compile() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(build, 'dist')], {
    stdio: 'inherit',
  });
  const { name, type, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(join(build, 'package.json'), JSON.stringify({ name, type, exports }));
  const { code } = transformFileSync(join(here, 'main.ts'), { configFile: join(root, '.swcrc'), sourceMaps: false });
  writeFileSync(join(build, 'main.js'), code);
}

/** @param {string} sql */
async function onServer(sql) {
  const connection = await createConnection({ uri: MYSQL_URL });
  await connection.query(sql);
  await connection.end();
}

async function removeIndex() {
  await fetch(new URL('/quick-start-films-000001', ELASTICSEARCH_URL), { method: 'DELETE' });
}
