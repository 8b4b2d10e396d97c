import { once } from 'node:events';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ConsistentModule, type ConsistentModuleOptions } from '../../src/index.js';
import { Product, productRepository } from './product.js';

/** What the parent tells a writer process first. */
export interface WriterSettings {
  connection: Record<string, unknown>;
  index: string;
  module: Partial<ConsistentModuleOptions>;
  elasticsearchNode: string;
}

/** One write that the parent asks for. */
export interface WriterCommand {
  operation: 'insert' | 'update' | 'delete';
  entity: Partial<Product>;
}

/*
 * A whole Nest application in a process of its own, so that a test can end it with SIGKILL at any step. Says `ready`,
 * then carries out every command that it is sent, all at once, and reports each one's end.
 */
const [settings] = (await once(process, 'message')) as [WriterSettings];
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
      // One request and one statement for each write: tests stop them one by one.
      groupCommit: false,
      ...settings.module,
    }),
    ConsistentModule.forFeature([repository]),
  ],
})
class WriterModule {}

const application = await NestFactory.createApplicationContext(WriterModule, { logger: ['error', 'warn'] });
const products = application.get(repository);
process.on('message', ({ operation, entity }: WriterCommand) => {
  const write =
    operation === 'insert'
      ? products.insert(entity)
      : operation === 'update'
        ? products.update(entity)
        : products.remove(entity as Product);
  write.then(
    () => process.send!({ done: entity.id }),
    (error: Error & { code?: string }) => process.send!({ done: entity.id, code: error.code, message: error.message }),
  );
});
process.on('disconnect', () => process.exit());
process.send!('ready');
