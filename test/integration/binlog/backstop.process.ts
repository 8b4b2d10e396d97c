import { once } from 'node:events';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { BackstopModule, type BackstopModuleOptions, BackstopService } from '../../../src/binlog/index.js';
import { ConsistentModule } from '../../../src/index.js';
import { Product, productRepository } from '../../support/product.js';

/** What the parent tells a backstop process first. */
export interface BackstopProcessSettings {
  connection: Record<string, unknown>;
  index: string;
  elasticsearchNode: string;
  backstop: BackstopModuleOptions;
}

/*
 * An application with a backstop in a process of its own, so that a test can end it with SIGKILL at any moment. Tells the
 * parent every state that it enters.
 */
const [settings] = (await once(process, 'message')) as [BackstopProcessSettings];
const repository = productRepository(settings.index);

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'mysql',
      ...settings.connection,
      entities: [Product],
      timezone: 'Z',
      charset: 'utf8mb4',
      retryAttempts: 0,
    }),
    ScheduleModule.forRoot(),
    ConsistentModule.forRoot({
      elasticsearch: { node: settings.elasticsearchNode },
      sweeper: false,
      bypassGuard: 'off',
    }),
    ConsistentModule.forFeature([repository]),
    BackstopModule.forRoot({ ...settings.backstop, autoStart: false }),
  ],
})
class BackstopProcessModule {}

const application = await NestFactory.createApplicationContext(BackstopProcessModule, { logger: ['error'] });
const backstop = application.get(BackstopService);
backstop.events.on('backstopState', ({ state }) => process.send?.({ state }));
process.on('disconnect', () => process.exit());
backstop.start();
