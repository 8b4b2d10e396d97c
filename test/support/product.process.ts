import { once } from 'node:events';
import type { DynamicModule, INestApplicationContext, LogLevel } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { ConsistentModuleOptions } from '../../src/index.js';
import { applicationModules } from './application.modules.js';
import { Product, type productRepository } from './product.js';

/** What the parent tells an application in a process of its own first. */
export interface ProcessSettings {
  connection: Record<string, unknown>;
  elasticsearchNode: string;
  /** Of the products. */
  index: string;
}

/** What the program adds to the stores. */
export interface ProcessOptions {
  repository: ReturnType<typeof productRepository>;
  module: Partial<ConsistentModuleOptions>;
  imports?: DynamicModule[];
  logger: LogLevel[];
}

class ProcessModule {}

/** The first message. The process ends with its parent from then on. */
export async function settingsOfParent<Settings extends ProcessSettings>(): Promise<Settings> {
  const [settings] = (await once(process, 'message')) as [Settings];
  process.on('disconnect', () => process.exit());
  return settings;
}

/** A whole Nest application with products, on the stores that the parent has named. */
export function startProducts(
  { connection, elasticsearchNode }: ProcessSettings,
  { repository, module, imports = [], logger }: ProcessOptions,
): Promise<INestApplicationContext> {
  const options = { connection, elasticsearchNode, entities: [Product], repositories: [repository], module };
  const root = { module: ProcessModule, imports: [...applicationModules(options), ...imports] };
  return NestFactory.createApplicationContext(root, { logger });
}
