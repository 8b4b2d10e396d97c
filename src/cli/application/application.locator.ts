import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { InvalidOptionsError } from '../../errors.js';

/** Where the command line finds what it works on: given as options, or in the config file. */
export interface CliTarget {
  /** `path/to/app.module.js#ExportName`. */
  app?: string;
  mysql?: string;
  /** PEM file of the CA that signed MySQL's certificate; with it the connection uses TLS. */
  mysqlCa?: string;
  elasticsearch?: string;
  /** PEM file of the CA that signed Elasticsearch's certificate. */
  elasticsearchCa?: string;
  table?: string;
  index?: string;
}

/** The module file of the application, and the name of its export, if one was given. */
export interface ApplicationPlace {
  readonly file: string;
  readonly exportName: string | null;
}

const CONFIG_FILES = ['nest-consistent.config.js', 'nest-consistent.config.mjs', 'nest-consistent.config.json'];
const KEYS = ['app', 'mysql', 'mysqlCa', 'elasticsearch', 'elasticsearchCa', 'table', 'index'] as const;

/**
 * What was given, and where that names neither an application nor URLs, the config file of the working directory.
 * @throws InvalidOptionsError where there is neither, or the file says nothing of use
 */
export async function completeTarget(given: CliTarget, folder = process.cwd()): Promise<CliTarget> {
  if (given.app || given.mysql || given.elasticsearch) return given;
  const name = CONFIG_FILES.find((one) => existsSync(join(folder, one)));
  if (!name) {
    throw new InvalidOptionsError(
      'Which application? Give --app dist/app.module.js, or a file nest-consistent.config.json with { "app": … }, or ' +
        '--mysql URL --elasticsearch URL --table T --index I.',
    );
  }
  return { ...(await readConfig(join(folder, name))), ...given };
}

async function readConfig(file: string): Promise<CliTarget> {
  const read: unknown = file.endsWith('.json')
    ? JSON.parse(readFileSync(file, 'utf8'))
    : ((await import(pathToFileURL(file).href)) as { default?: unknown }).default;
  const config = (read ?? {}) as Record<string, unknown>;
  const wrong = Object.entries(config).filter(
    ([key, value]) => !(KEYS as readonly string[]).includes(key) || typeof value !== 'string',
  );
  if (typeof read !== 'object' || wrong.length > 0 || !(config['app'] || config['mysql'])) {
    throw new InvalidOptionsError(`${file} must name { app }, or { mysql, elasticsearch, table, index }, as texts.`, {
      wrong: wrong.map(([key]) => key),
    });
  }
  const target = config as CliTarget;
  const beside = (path: string): string => resolve(dirname(file), path);
  return {
    ...target,
    ...(target.app ? { app: beside(target.app) } : {}),
    ...(target.mysqlCa ? { mysqlCa: beside(target.mysqlCa) } : {}),
    ...(target.elasticsearchCa ? { elasticsearchCa: beside(target.elasticsearchCa) } : {}),
  };
}

/** @throws InvalidOptionsError where there is no such file */
export function placeOf(app: string): ApplicationPlace {
  const [path, exportName] = app.split('#') as [string, string?];
  const file = resolve(path);
  if (existsSync(file) && !file.endsWith('.ts')) return { file: realpathSync(file), exportName: exportName ?? null };
  throw new InvalidOptionsError(
    file.endsWith('.ts')
      ? `--app ${path} is TypeScript: give the file that was built of it, e.g. dist/app.module.js.`
      : `--app: there is no file ${file}. Build the application first.`,
    { app },
  );
}

/**
 * The program of the package that the application itself imports, where that is another copy than this one (a global
 * install, npx). Null where it is this one, or nothing can be told yet: then the command itself says what is wrong.
 */
export async function applicationsProgram(args: readonly string[], here: string): Promise<string | null> {
  try {
    const { app } = await completeTarget({
      app: optionOf(args, '--app'),
      mysql: optionOf(args, '--mysql'),
    } as CliTarget);
    if (!app) return null;
    const theirs = realpathSync(createRequire(placeOf(app).file).resolve('nest-consistent/package.json'));
    const ours = realpathSync(fileURLToPath(new URL('../../package.json', here)));
    const program = join(dirname(theirs), 'dist/cli/cli.program.js');
    return theirs !== ours && existsSync(program) ? program : null;
  } catch {
    return null;
  }
}

function optionOf(args: readonly string[], name: string): string | undefined {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at < 0) return undefined;
  return args[at]!.includes('=') ? args[at]!.slice(name.length + 1) : args[at + 1];
}
