import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { stdin } from 'node:process';
import { reasonOf, ServersError } from './servers.error.mjs';

const GRACE_MS = 15_000;

/** @param {NodeJS.Signals} signal */
export const exitCodeOf = (signal) => 128 + (constants.signals[signal] ?? 0);

/**
 * Runs the user's command to its end. The first signal is passed on to it, a second one kills it.
 * @param {string[]} command
 * @param {NodeJS.ProcessEnv} env
 * @param {(listener: (signal: NodeJS.Signals) => void) => void} onSignal
 * @returns {Promise<number>} its exit status
 */
export function runCommand([program = '', ...args], env, onSignal) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: 'inherit' });
    let signals = 0;
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    onSignal((signal) => {
      if (++signals > 1) return void child.kill('SIGKILL');
      // A Ctrl-C in a terminal has reached the command already, and many treat a second one as "at once".
      if (signal !== 'SIGINT' || !stdin.isTTY) child.kill(signal);
      timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    });
    child.once('error', (error) =>
      reject(new ServersError(`cannot run ${program}: ${reasonOf(error)}`, 'check the command after --', error)),
    );
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      resolve(code ?? exitCodeOf(/** @type {NodeJS.Signals} */ (signal)));
    });
  });
}
