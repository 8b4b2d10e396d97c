import { pathToFileURL } from 'node:url';
import type { INestApplicationContext, LoggerService } from '@nestjs/common';
import { NestApplicationContext, NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { InvalidOptionsError } from '../../errors.js';
import { type ApplicationPlace, placeOf } from './application.locator.js';

/** A prototype whose method is exchanged in this process. */
type Overridable<Name extends string> = Record<Name, (this: unknown) => Promise<unknown>>;

/**
 * Makes the application's providers, and nothing of what it does once it runs: no port is listened at, no `onModuleInit` and no
 * `onApplicationBootstrap` is called (so no cron, sweeper, backstop or queue of it begins here), and its DataSources
 * neither migrate nor synchronize: those are for deployments.
 * @throws InvalidOptionsError where the file exports no module, or not the package that this command belongs to
 */
export async function openApplication(app: string, logger: LoggerService): Promise<INestApplicationContext> {
  const module = await loadModule(placeOf(app));
  const refused = tameDataSources();
  const prototype = NestApplicationContext.prototype as unknown as Overridable<'init'>;
  const own = prototype.init;
  prototype.init = async function () {
    return this;
  };
  try {
    const opening = NestFactory.createApplicationContext(module as never, { logger, abortOnError: false });
    // TypeOrmModule would go on trying for half a minute.
    return await Promise.race([opening, refused]);
  } finally {
    prototype.init = own;
  }
}

async function loadModule({ file, exportName }: ApplicationPlace): Promise<unknown> {
  const exported = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  const names = Object.keys(exported).filter((name) => isModule(exported[name]));
  const name = exportName ?? (names.includes('AppModule') || names.length !== 1 ? 'AppModule' : names[0]!);
  const found = exported[name] ?? (exportName ? undefined : exported['default']);
  if (found === undefined) {
    throw new InvalidOptionsError(
      `${file} exports no ${name}. Name the export: --app ${file}#${Object.keys(exported)[0] ?? 'AppModule'}`,
      { file, exports: Object.keys(exported) },
    );
  }
  // A factory, for modules whose options are made at the start.
  if (typeof found === 'function' && !isClass(found)) return (found as () => unknown)();
  return found;
}

function isClass(value: Function): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

/** A class with `@Module()`, or a dynamic module. */
function isModule(value: unknown): boolean {
  if (typeof value === 'function') return isClass(value) && Reflect.getMetadataKeys(value).includes('imports');
  return typeof value === 'object' && value !== null && 'module' in value;
}

/** Rejects with what the first DataSource that cannot connect says. */
function tameDataSources(): Promise<never> {
  const prototype = DataSource.prototype as unknown as Overridable<'initialize'>;
  const own = prototype.initialize;
  return new Promise((_resolve, reject) => {
    prototype.initialize = async function () {
      (this as DataSource).setOptions({ migrationsRun: false, synchronize: false, dropSchema: false });
      try {
        return await own.call(this);
      } catch (error) {
        reject(error as Error);
        throw error;
      }
    };
  });
}
