import { mkdtempSync, readdirSync, readlinkSync, chownSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canReach, serverUser } from './cache.folder.mjs';
import { isAlive } from './child.process.mjs';

const PREFIX = 'nest-consistent-';
/** A unix socket's path has at most 107 bytes, and the folder's own name takes about 50. */
const LONGEST_BASE = 50;

/** Process ids mean something only within one namespace, and containers may share a temp folder. */
function processNamespace() {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

function baseFolder() {
  const base = tmpdir();
  return base.length <= LONGEST_BASE && canReach(base, serverUser()) ? base : '/tmp';
}

/**
 * A folder for one server's data, owned by the user it runs as. Its name says whose it is.
 * @param {import('./server.types.mjs').ServerKind} kind
 */
export function createDataFolder(kind) {
  const folder = mkdtempSync(join(baseFolder(), `${PREFIX}${kind}-${processNamespace()}-${process.pid}-`));
  const user = serverUser();
  if (user) chownSync(folder, user.uid, user.gid);
  return folder;
}

/** Removes the folders of runs that were killed before they could do it. */
export async function removeStaleDataFolders() {
  const base = baseFolder();
  const pattern = new RegExp(`^${PREFIX}(?:mysql|elasticsearch)-${processNamespace()}-(\\d+)-`);
  for (const name of readdirSync(base)) {
    const pid = Number(pattern.exec(name)?.[1] ?? 0);
    // Somebody else's folder cannot be removed, and is not ours to remove.
    if (pid > 0 && !isAlive(pid)) await rm(join(base, name), { recursive: true, force: true }).catch(() => {});
  }
}

/** @returns {Promise<number>} a port that was free a moment ago */
export function findFreePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
