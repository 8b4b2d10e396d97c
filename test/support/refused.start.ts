import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { dataSourceSettings } from './application.modules.js';
import type { FixtureOptions, Stores } from './application.js';

export interface RefusedStartOptions extends FixtureOptions {
  /** What happens to the table after TypeORM made it and before the module looks at it. */
  prepare?: (dataSource: DataSource) => Promise<unknown>;
}

/** Starts an application that must not start, and gives its error. Nothing stays open behind it. */
export async function refusedStart(stores: Stores, options: RefusedStartOptions): Promise<Error> {
  const opened: DataSource[] = [];
  const [, ...modules] = stores.modules({ ...options, module: { elasticsearch: stores.client, ...options.module } });
  const database = TypeOrmModule.forRootAsync({
    useFactory: () =>
      dataSourceSettings({
        connection: stores.database.connection,
        entities: options.entities,
        dataSource: { synchronize: true, ...options.dataSource },
      }),
    dataSourceFactory: async (settings) => {
      const dataSource = await new DataSource(settings as DataSourceOptions).initialize();
      opened.push(dataSource);
      await options.prepare?.(dataSource);
      return dataSource;
    },
  });
  const building = Test.createTestingModule({ imports: [database, ...modules, ...(options.imports ?? [])] });
  try {
    const application = await building.compile();
    await application.init();
    await application.close();
  } catch (error) {
    return error as Error;
  } finally {
    for (const dataSource of opened) if (dataSource.isInitialized) await dataSource.destroy();
  }
  throw new Error('the application started');
}
