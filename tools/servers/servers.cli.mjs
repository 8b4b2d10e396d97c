#!/usr/bin/env node
import { removeCache } from './cache.folder.mjs';
import { exitCodeOf, runCommand } from './command.runner.mjs';
import { createReporter } from './progress.reporter.mjs';
import { parseArguments, USAGE } from './servers.arguments.mjs';
import { ServersError } from './servers.error.mjs';
import { installServers, startServers } from './servers.mjs';

const reporter = createReporter();

/** While servers start, a signal ends us at once; the exit hook takes what was started along. */
/** @type {(signal: NodeJS.Signals) => void} */
let onSignal = (signal) => process.exit(exitCodeOf(signal));
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => onSignal(signal));

/** @param {import('./servers.arguments.mjs').Arguments} args */
async function run({ only, durable, command }) {
  const servers = await startServers({ only, durable, reporter });
  try {
    const env = { ...process.env };
    if (servers.mysqlUrl) env.MYSQL_URL = servers.mysqlUrl;
    if (servers.elasticsearchUrl) env.ELASTICSEARCH_URL = servers.elasticsearchUrl;
    return await runCommand(command, env, (listener) => (onSignal = listener));
  } finally {
    await servers.stop();
  }
}

/** @param {import('./servers.arguments.mjs').Arguments} args */
async function up({ only, durable }) {
  const servers = await startServers({ only, durable, reporter });
  if (servers.mysqlUrl) console.log(`MYSQL_URL=${servers.mysqlUrl}`);
  if (servers.elasticsearchUrl) console.log(`ELASTICSEARCH_URL=${servers.elasticsearchUrl}`);
  reporter.say('running until Ctrl-C');
  // Server processes are not waited for, so something has to keep this one alive.
  const keepAlive = setInterval(() => {}, 60_000);
  await new Promise((resolve) => (onSignal = resolve));
  clearInterval(keepAlive);
  await servers.stop();
  return 0;
}

async function main() {
  const args = parseArguments(process.argv.slice(2));
  if (args.action === 'run') return run(args);
  if (args.action === 'up') return up(args);
  if (args.action === 'install') await installServers({ only: args.only, reporter });
  else if (args.action === 'clean') reporter.say(`removed ${await removeCache()}`);
  else console.log(USAGE);
  return 0;
}

try {
  process.exit(await main());
} catch (error) {
  if (error instanceof ServersError) reporter.say(error.message);
  else console.error(error);
  process.exit(error instanceof ServersError ? 2 : 70);
}
