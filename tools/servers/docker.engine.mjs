import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';

const PING_TIMEOUT_MS = 1_500;

/** The places where testcontainers looks for an engine. */
function engineAddresses(env = process.env) {
  if (env.DOCKER_HOST) return [env.DOCKER_HOST];
  if (process.platform === 'win32') return ['npipe:////./pipe/docker_engine'];
  const sockets = ['/var/run/docker.sock'];
  if (env.XDG_RUNTIME_DIR) sockets.push(join(env.XDG_RUNTIME_DIR, 'docker.sock'));
  sockets.push(join(homedir(), '.docker/run/docker.sock'), join(homedir(), '.docker/desktop/docker.sock'));
  if (process.getuid) sockets.push(`/run/user/${process.getuid()}/docker.sock`);
  return sockets.filter((path) => existsSync(path)).map((path) => `unix://${path}`);
}

/**
 * @param {string} address
 * @returns {Promise<boolean>}
 */
function answers(address) {
  const local = /^(?:unix|npipe):\/\/(.+)$/.exec(address)?.[1];
  /** @type {import('node:http').RequestOptions} */
  let target;
  if (local) target = { socketPath: local };
  else {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    // An engine behind TLS or ssh cannot be asked without its keys; whoever set DOCKER_HOST so means it.
    if (!url || url.protocol !== 'tcp:' || process.env.DOCKER_TLS_VERIFY) return Promise.resolve(true);
    target = { host: url.hostname, port: url.port || 2375 };
  }
  return new Promise((resolve) => {
    const ping = request({ ...target, path: '/_ping', timeout: PING_TIMEOUT_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.once('timeout', () => ping.destroy());
    ping.once('error', () => resolve(false));
    ping.once('close', () => resolve(false));
    ping.end();
  });
}

/** @returns {Promise<boolean>} whether a Docker engine answers, in two seconds at most */
export async function isDockerThere() {
  return (await Promise.all(engineAddresses().map(answers))).includes(true);
}
