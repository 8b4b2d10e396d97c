import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ConsistentModule } from 'nest-consistent';
import type { CatalogueConfig } from './catalogue.config.js';
import { ConsistentErrorFilter } from './consistent-error.filter.js';
import { Film } from './films/film.entity.js';
import { FilmsModule } from './films/films.module.js';
import { CreateFilms1700000000000 } from './migrations/create-films.migration.js';

@Module({})
export class CatalogueModule {
  static forRoot(config: CatalogueConfig): DynamicModule {
    return {
      module: CatalogueModule,
      imports: [
        TypeOrmModule.forRoot({
          type: 'mysql',
          url: config.mysqlUrl,
          charset: 'utf8mb4',
          timezone: 'Z',
          entities: [Film],
          migrations: [CreateFilms1700000000000],
          migrationsRun: true,
        }),
        // The sweeper is a job of the scheduler.
        ScheduleModule.forRoot(),
        ConsistentModule.forRoot({
          elasticsearch: { node: config.elasticsearchUrl },
          writeTimeoutMs: config.writeTimeoutMs,
          deadlineMs: config.deadlineMs,
          // Whoever waits for an undecided film waits until it can be settled.
          busyTimeoutMs: config.deadlineMs + config.writeTimeoutMs,
        }),
        FilmsModule,
      ],
      providers: [{ provide: APP_FILTER, useClass: ConsistentErrorFilter }],
    };
  }
}
