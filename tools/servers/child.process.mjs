import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Processes and folders that must not outlive this process, whatever ends it.
 * @type {Set<{processGroup?: number, folder?: string}>}
 */
const owned = new Set();
let hooked = false;

/** @param {{processGroup?: number, folder?: string}} thing */
export function own(thing) {
  if (!hooked) {
    hooked = true;
    process.once('exit', endEverythingOwned);
  }
  owned.add(thing);
}

/** @param {{processGroup?: number, folder?: string}} thing */
export function disown(thing) {
  owned.delete(thing);
}

/** Synchronous, because it also runs in the `exit` event. */
export function endEverythingOwned() {
  for (const { processGroup } of owned) if (processGroup) signalGroup(processGroup, 'SIGKILL');
  for (const { folder } of owned) {
    if (folder) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
  owned.clear();
}

/**
 * @param {number} processGroup
 * @param {NodeJS.Signals} signal
 */
export function signalGroup(processGroup, signal) {
  try {
    process.kill(-processGroup, signal);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error;
  }
}

/**
 * A zombie counts as gone: where nobody reaps orphans it would be there for ever.
 * @param {number} pid
 */
export function isAlive(pid) {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0];
    return state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

/**
 * @param {string} program
 * @returns {string | undefined} its path
 */
export function which(program) {
  // A plain user's PATH often lacks sbin.
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return undefined;
}

/**
 * Wraps a command so that the kernel ends it when this process dies, even by SIGKILL.
 * @param {string} command
 * @param {string[]} args
 * @returns {[string, string[]]}
 */
export function dyingWithParent(command, args) {
  const setpriv = which('setpriv');
  return setpriv ? [setpriv, ['--pdeathsig', 'TERM', '--', command, ...args]] : [command, args];
}

/**
 * Runs a program to its end.
 * @param {string} command
 * @param {string[]} args
 * @param {{env?: NodeJS.ProcessEnv, cwd?: string, uid?: number, gid?: number}} [options]
 * @returns {Promise<string>} its stdout; rejects with the last lines of stderr
 */
export async function runToEnd(command, args, options = {}) {
  const [program, programArgs] = dyingWithParent(command, args);
  // Its own group, so that it and its children end together.
  const child = spawn(program, programArgs, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const group = { processGroup: child.pid };
  own(group);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  try {
    const ended = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(code ?? signal));
    });
    if (ended === 0) return stdout;
    const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-15).join('\n');
    throw new Error(`${[command, ...args].join(' ')} ended with ${String(ended)}\n${said}`);
  } finally {
    disown(group);
  }
}
