#!/usr/bin/env node
// Plain Node without dependencies: on a fresh clone nothing is installed when this starts.
import { join } from 'node:path';
import { stdout } from 'node:process';
import { pathToFileURL } from 'node:url';
import { parseArguments, USAGE } from './demo.arguments.mjs';
import { build, EXAMPLE, install } from './demo.preparation.mjs';

const SIGNALS = /** @type {const} */ ({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 });

/** Errors whose message says it all. */
const UNDERSTOOD = new Set(['ServersError', 'DemoFailure']);

/** @param {string} text */
const say = (text) => void stdout.write(`  ${text}\n`);

/** What must be undone at the end, however it comes. @type {(() => Promise<void>)[]} */
const cleanups = [];

async function cleanUp() {
  for (let cleanup = cleanups.pop(); cleanup; cleanup = cleanups.pop()) {
    await cleanup().catch((error) => say(`cleaning up: ${error instanceof Error ? error.message : String(error)}`));
  }
}

let stopping = false;

/** The exit status of the first signal. @type {Promise<number>} */
const interrupted = new Promise((resolve) => {
  for (const [signal, exitCode] of Object.entries(SIGNALS)) {
    let times = 0;
    process.on(signal, () => {
      // The second time somebody is impatient; the exit hook of the servers tool still ends what it started.
      if (++times > 1) process.exit(exitCode);
      stopping = true;
      say('\n  stopping');
      resolve(exitCode);
    });
  }
});

/** How the story ended: with --keep, Ctrl-C is then the ordinary end. @type {number | undefined} */
let told;

/** @param {import('./demo.arguments.mjs').DemoArguments} args */
async function run({ films, keep, falsify }) {
  install(say);
  build(say);
  // Only now: these need what was installed.
  const { startServers } = await import('../servers/servers.mjs');
  const { createReporter } = await import('../servers/progress.reporter.mjs');
  const output = {
    isTTY: stdout.isTTY,
    /** @param {string} text */
    write: (text) => stdout.write(text.replaceAll('[servers] ', '  ')),
  };
  const { mysqlUrl, elasticsearchUrl, stop } = await startServers({ reporter: createReporter(output) });
  cleanups.push(stop);
  const { tellStory } = await import(pathToFileURL(join(EXAMPLE, 'build/demo/story.js')).href);
  const onCleanup = (/** @type {() => Promise<void>} */ cleanup) => cleanups.push(cleanup);
  const options = { mysqlUrl, elasticsearchUrl, films, falsify, onCleanup, isOver: () => stopping };
  const { exitCode, url, env } = await tellStory(options);
  if (!keep) return exitCode;
  told = exitCode;
  say('');
  say(`search page    ${url}/`);
  for (const path of ['films?q=alien', 'films/1', 'films/by-director?name=Ang%20Lee'])
    say(`HTTP API       ${url}/${path}`);
  say(`MySQL          ${env.MYSQL_URL}`);
  say(`Elasticsearch  ${env.ELASTICSEARCH_URL}/${env.FILMS_INDEX}/_search`);
  say('running until Ctrl-C');
  await interrupted;
  return exitCode;
}

const args = parseArguments(process.argv.slice(2));
if (typeof args === 'string' || args.help) {
  process.stdout.write(typeof args === 'string' ? `${args}\n\n${USAGE}` : USAGE);
  process.exit(typeof args === 'string' ? 2 : 0);
}
const ended = run(args).catch((error) => {
  // What a Ctrl-C breaks off fails in all kinds of ways.
  if (stopping) return interrupted;
  say(UNDERSTOOD.has(error?.name) ? error.message : String(error?.stack ?? error));
  return 70;
});
const exitCode = await Promise.race([ended, interrupted]);
await cleanUp();
process.exit(told ?? exitCode);
