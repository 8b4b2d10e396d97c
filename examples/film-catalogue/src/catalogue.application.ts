import { fileURLToPath } from 'node:url';
import type { LogLevel } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { CatalogueConfig } from './catalogue.config.js';
import { CatalogueModule } from './catalogue.module.js';

export interface RunningCatalogue {
  readonly application: NestExpressApplication;
  readonly url: string;
}

/** Starts the catalogue: HTTP API under /films, search page under /. */
export async function startCatalogue(config: CatalogueConfig, logger: LogLevel[]): Promise<RunningCatalogue> {
  const application = await NestFactory.create<NestExpressApplication>(CatalogueModule.forRoot(config), { logger });
  application.useStaticAssets(fileURLToPath(new URL('../public/', import.meta.url)));
  // Writes under way are drained before the connections go.
  application.enableShutdownHooks();
  await application.listen(config.port, '127.0.0.1');
  return { application, url: (await application.getUrl()).replace('[::1]', '127.0.0.1') };
}
