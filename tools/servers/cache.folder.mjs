import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { access, constants, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { ServersError } from './servers.error.mjs';

const FIX =
  'set NEST_CONSISTENT_CACHE to a folder that can be written and that every user can enter, e.g. /var/tmp/nest-consistent';

const SAY_WAITING_AFTER_MS = 1_000;

/** Where servers are unpacked: $NEST_CONSISTENT_CACHE, else a folder of the system (root) or of the user. */
export function cacheFolder(env = process.env, isRoot = process.getuid?.() === 0) {
  if (env.NEST_CONSISTENT_CACHE) return env.NEST_CONSISTENT_CACHE;
  // Root's home is closed to the unprivileged user that the servers run as.
  if (isRoot) return '/var/cache/nest-consistent';
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'nest-consistent');
}

/**
 * The user that servers run as: Elasticsearch refuses root, so root hands it (and MySQL) to `nobody`.
 * @returns {{name: string, uid: number, gid: number} | undefined} undefined: the user we are
 */
export function serverUser() {
  if (process.getuid?.() !== 0) return undefined;
  const line = readFileSync('/etc/passwd', 'utf8').match(/^nobody:[^:]*:(\d+):(\d+):/m);
  if (!line)
    throw new ServersError('this is root, and there is no user nobody to run servers as', 'useradd --system nobody');
  return { name: 'nobody', uid: Number(line[1]), gid: Number(line[2]) };
}

/**
 * Whether the server user can enter a folder, i.e. every folder above it too.
 * @param {string} path
 * @param {ReturnType<typeof serverUser>} user
 */
export function canReach(path, user) {
  if (!user) return true;
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      const { mode, uid, gid } = statSync(folder);
      const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
      if ((mode & bit) === 0) return false;
    } catch {
      return false;
    }
    if (folder === dirname(folder)) return true;
  }
}

/** Makes the cache folder. @returns {Promise<string>} */
export async function openCache() {
  const folder = cacheFolder();
  try {
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await access(folder, constants.W_OK);
  } catch (error) {
    throw new ServersError(`the cache folder ${folder} cannot be written`, FIX, error);
  }
  const user = serverUser();
  if (!canReach(folder, user)) throw new ServersError(`${user?.name} cannot enter the cache folder ${folder}`, FIX);
  return folder;
}

/** @returns {Promise<string>} the folder that was there */
export async function removeCache() {
  const folder = cacheFolder();
  await rm(folder, { recursive: true, force: true });
  return folder;
}

/**
 * Runs `action` while no other process holds the lock. The kernel holds it through a child process, so a crash frees it.
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} action
 * @param {() => void} [onWait] called once if another process has the lock
 * @returns {Promise<T>}
 */
export async function withLock(file, action, onWait = () => {}) {
  const holder = spawn('flock', ['-x', file, 'sh', '-c', 'echo locked; exec cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const waiting = setTimeout(onWait, SAY_WAITING_AFTER_MS);
  try {
    await new Promise((resolve, reject) => {
      holder.once('error', reject);
      holder.once('exit', () => reject(new Error(`flock ${file} failed`)));
      holder.stdout.once('data', resolve);
    });
  } catch (error) {
    throw new ServersError(
      `cannot lock ${file}`,
      'apt-get install util-linux (it has flock), and check that the folder can be written',
      error,
    );
  } finally {
    clearTimeout(waiting);
  }
  try {
    return await action();
  } finally {
    holder.stdin.end();
  }
}

/**
 * @param {string} folder
 * @returns {Promise<number>} bytes of the files in it and below
 */
export async function folderSizeInBytes(folder) {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await folderSizeInBytes(path);
    else if (entry.isFile()) bytes += (await stat(path).catch(() => ({ size: 0 }))).size;
  }
  return bytes;
}
