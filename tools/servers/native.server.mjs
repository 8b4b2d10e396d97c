import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { serverUser } from './cache.folder.mjs';
import { disown, dyingWithParent, isAlive, own, signalGroup } from './child.process.mjs';
import { findFreePort } from './data.folder.mjs';
import { ServersError } from './servers.error.mjs';

const START_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
const PORT_TRIES = 5;
const PORT_TAKEN = /address already in use|BindHttpException|BindTransportException/i;
const NOT_ENDING = new Set(['SIGSTOP', 'SIGCONT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH']);

/**
 * How to run one server natively.
 * @typedef {object} NativePlan
 * @property {import('./server.types.mjs').ServerKind} kind
 * @property {string} folder holds its data and log; deleted by remove()
 * @property {string} logFile
 * @property {(port: number) => Promise<{program: string, args: string[], env: NodeJS.ProcessEnv}>} prepare
 * @property {(port: number) => string} urlOf
 * @property {(url: string) => Promise<string>} probe the server's version; rejects while it does not answer
 * @property {() => Promise<number | undefined>} [readPid] of the server, where the program that we start is a launcher
 */

/** A server that is a process of ours; see `Server` for what the methods promise. */
export class NativeServer {
  /** @type {import('./server.types.mjs').ServerSource} */
  source = 'native';
  port = 0;
  url = '';
  version = '';
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  /** @type {number | undefined} */
  #serverPid;
  /** @type {{processGroup?: number, folder?: string}} */
  #owned;
  #plan;

  /** @param {NativePlan} plan */
  constructor(plan) {
    this.#plan = plan;
    this.kind = plan.kind;
    /** @type {string | undefined} */
    this.logFile = plan.logFile;
    this.#owned = { folder: plan.folder };
    own(this.#owned);
  }

  get pid() {
    return this.#isUp() ? (this.#serverPid ?? this.#child?.pid) : undefined;
  }

  #isUp() {
    const pids = [this.#child?.pid, this.#serverPid];
    return pids.some((pid) => pid !== undefined && isAlive(pid));
  }

  start = async () => {
    if (this.#isUp()) throw new ServersError(`this ${this.kind} is running already`, 'call stop() or kill() first');
    if (this.port !== 0) return this.#startOn(this.port);
    for (let tries = 1; ; tries++) {
      const port = await findFreePort();
      try {
        await this.#startOn(port);
        return;
      } catch (error) {
        // Between the free port's choice and its use, another process can take it.
        if (tries === PORT_TRIES || !PORT_TAKEN.test(String(error))) throw error;
      }
    }
  };

  /** @param {number} port */
  async #startOn(port) {
    const { kind, logFile, prepare, urlOf, probe, readPid } = this.#plan;
    const { program, args, env } = await prepare(port);
    const user = serverUser();
    const log = openSync(logFile, 'a', 0o644);
    const [command, commandArgs] = dyingWithParent(program, args);
    // Its own session: a Ctrl-C in the terminal is for us, and we end the server when the command has ended.
    const options = { detached: true, env, cwd: this.#plan.folder, ...(user && { uid: user.uid, gid: user.gid }) };
    const child = spawn(command, commandArgs, { ...options, stdio: ['ignore', log, log] });
    closeSync(log);
    this.#child = child;
    this.#serverPid = undefined;
    this.#owned.processGroup = child.pid;
    /** @type {Error | undefined} */
    let failed;
    child.once('error', (error) => (failed = error));
    child.once('exit', (code, signal) => (failed ??= new Error(`it ended with ${code ?? signal}`)));
    const url = urlOf(port);
    const giveUpAt = Date.now() + START_TIMEOUT_MS;
    while (!failed) {
      const version = await probe(url).catch(() => undefined);
      if (version !== undefined && !failed) {
        Object.assign(this, { port, url, version });
        this.#serverPid = await readPid?.();
        child.unref();
        return;
      }
      if (Date.now() > giveUpAt) failed = new Error(`it did not answer within ${START_TIMEOUT_MS / 1_000} s`);
      await sleep(POLL_MS);
    }
    await this.kill();
    const lines = (await readFile(logFile, 'utf8').catch(() => '')).trim().split('\n').slice(-25).join('\n');
    throw new ServersError(`${kind} did not start: ${failed.message}\n${lines}`, 'look at the log lines above', failed);
  }

  /** @param {NodeJS.Signals} [signal] */
  kill = async (signal = 'SIGKILL') => {
    const group = this.#child?.pid;
    if (group === undefined || !this.#isUp()) return;
    signalGroup(group, signal);
    if (NOT_ENDING.has(signal)) return;
    const giveUpAt = Date.now() + STOP_TIMEOUT_MS;
    while (this.#isUp()) {
      if (Date.now() > giveUpAt) signalGroup(group, 'SIGKILL');
      await sleep(POLL_MS);
    }
    this.#owned.processGroup = undefined;
  };

  stop = () => this.kill('SIGTERM');

  restart = async () => {
    await this.stop();
    await this.start();
  };

  remove = async () => {
    await this.kill('SIGKILL');
    await rm(this.#plan.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    disown(this.#owned);
  };
}

/** @param {NativeServer} server */
export async function startOrRemove(server) {
  try {
    await server.start();
    return server;
  } catch (error) {
    await server.remove();
    throw error;
  }
}
