import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const EXAMPLE = join(ROOT, 'examples/film-catalogue');

/** @param {string} command @param {string[]} args @param {string} what */
function run(command, args, what) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) throw error;
  if (status !== 0) throw new Error(`${what} failed (exit status ${status})`);
}

/** Installs what package-lock.json names, where that was never done to its end. @param {(text: string) => void} say */
export function install(say) {
  // npm writes this file last.
  if (existsSync(join(ROOT, 'node_modules/.package-lock.json'))) return;
  say('installing dependencies (npm ci), about a minute');
  const quiet = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  if (npm?.endsWith('.js')) run(process.execPath, [npm, ...quiet], 'npm ci');
  else run('npm', quiet, 'npm ci');
}

/** Builds library and example where a source is newer than what was made of it. @param {(text: string) => void} say */
export function build(say) {
  const settings = [join(ROOT, 'tsconfig.json')];
  buildOne('library', join(ROOT, 'src'), join(ROOT, 'dist'), join(ROOT, 'tsconfig.build.json'), settings, say);
  settings.push(join(ROOT, 'dist/index.d.ts'));
  buildOne('example', join(EXAMPLE, 'src'), join(EXAMPLE, 'build'), join(EXAMPLE, 'tsconfig.json'), settings, say);
}

/**
 * @param {string} what
 * @param {string} sources
 * @param {string} output
 * @param {string} config
 * @param {string[]} settings what it depends on beside its sources
 * @param {(text: string) => void} say
 */
function buildOne(what, sources, output, config, settings, say) {
  const newest = Math.max(...[config, ...settings].map(timeOf));
  if (sourcesIn(sources).every((source) => isMade(source, sources, output, newest))) return;
  say(`building the ${what} (tsc)`);
  run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config], `building the ${what}`);
}

/** @param {string} source @param {string} sources @param {string} output @param {number} newest */
function isMade(source, sources, output, newest) {
  const made = timeOf(join(output, source.replace(/\.ts$/, '.js')));
  return made >= newest && made >= timeOf(join(sources, source));
}

/** @param {string} folder */
function sourcesIn(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
}

/** @param {string} path @returns {number} 0 where it is missing */
function timeOf(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
