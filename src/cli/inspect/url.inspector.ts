import { Client } from '@elastic/elasticsearch';
import { DataSource } from 'typeorm';
import { resolveBackstopOptions } from '../../binlog/backstop.options.js';
import { resolveOptions } from '../../consistent.options.js';
import { InvalidOptionsError } from '../../errors.js';
import { CONSISTENCY_NAMES } from '../../mysql/consistent.migration.js';
import type { CliTarget } from '../application/application.locator.js';
import type { InspectedTable, Inspection } from './inspected.types.js';
import { elasticsearchAccess, mysqlAccess } from './url.access.js';

const REQUEST_TIMEOUT_MS = 10_000;

/** Looks at servers that are named by URLs, without an application. */
export async function inspectUrls(target: CliTarget): Promise<Inspection> {
  const { mysql, elasticsearch, table, index } = target;
  if (!mysql) throw new InvalidOptionsError('Give --mysql mysql://user:password@host:3306/database as well.');
  const access = elasticsearchAccess(elasticsearch ?? 'http://localhost:9200', target.elasticsearchCa);
  const dataSource = await connect(mysql, target.mysqlCa);
  const database = String(dataSource.driver.database);
  const tables: InspectedTable[] = [];
  if (table) {
    tables.push({
      name: table,
      metadata: null,
      dataSource,
      dataSourceName: 'default',
      database: table.includes('.') ? table.split('.')[0]! : database,
      tableName: table.split('.').at(-1)!,
      tablePath: table,
      names: CONSISTENCY_NAMES,
      alias: index ?? null,
      mappings: undefined,
      settings: undefined,
      durableTombstones: false,
    });
  }
  const node = { ...access, requestTimeout: REQUEST_TIMEOUT_MS, maxRetries: 0 };
  const client = elasticsearch ? new Client(node) : null;
  return {
    tables,
    dataSources: new Map([['default', dataSource]]),
    client,
    options: resolveOptions({ elasticsearch: node }),
    backstops: [resolveBackstopOptions()],
    close: async () => {
      await client?.close();
      await dataSource.destroy();
    },
  };
}

function connect(url: string, caFile: string | undefined): Promise<DataSource> {
  return new DataSource({
    type: 'mysql',
    ...mysqlAccess(url, caFile),
    charset: 'utf8mb4',
    timezone: 'Z',
    connectTimeout: REQUEST_TIMEOUT_MS,
  }).initialize();
}
