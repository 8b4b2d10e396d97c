import type { DynamicModule, Type } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ConsistentModule, type ConsistentModuleOptions, type ConsistentRepositoryClass } from '../../src/index.js';

/** What an application on a test's stores is made of. */
export interface ModulesOptions {
  /** As `TestDatabase.connection`. */
  connection: Record<string, unknown>;
  elasticsearchNode: string;
  entities: Type<object>[];
  repositories: ConsistentRepositoryClass[];
  /** Beside the connection. */
  dataSource?: Record<string, unknown> | undefined;
  module?: Partial<ConsistentModuleOptions> | undefined;
}

/** TypeORM's settings for a test's database. A connection that fails is not tried again. */
export function dataSourceSettings({
  connection,
  entities,
  dataSource,
}: Pick<ModulesOptions, 'connection' | 'entities' | 'dataSource'>) {
  return {
    type: 'mysql',
    ...connection,
    entities,
    timezone: 'Z',
    charset: 'utf8mb4',
    retryAttempts: 0,
    ...dataSource,
  } as const;
}

/** The modules of an application, with its DataSource's first. */
export function applicationModules(options: ModulesOptions): DynamicModule[] {
  return [
    TypeOrmModule.forRoot(dataSourceSettings(options) as never),
    ScheduleModule.forRoot(),
    ConsistentModule.forRoot({ elasticsearch: { node: options.elasticsearchNode }, ...options.module }),
    ConsistentModule.forFeature(options.repositories),
  ];
}
