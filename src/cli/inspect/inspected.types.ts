import type { Client, estypes } from '@elastic/elasticsearch';
import type { DataSource, EntityMetadata } from 'typeorm';
import type { ResolvedBackstopOptions } from '../../binlog/backstop.options.js';
import type { ResolvedOptions } from '../../consistent.options.js';
import type { ConsistencyColumnNames } from '../../mysql/consistent.migration.js';

/** A table and its index, as the application declares them or as they were named on the command line. */
export interface InspectedTable {
  /** The entity's class name; without an application the table's. */
  readonly name: string;
  /** Null without an application. */
  readonly metadata: EntityMetadata | null;
  readonly dataSource: DataSource;
  readonly dataSourceName: string;
  readonly database: string;
  readonly tableName: string;
  /** As TypeORM names it: `table`, or `database.table`. */
  readonly tablePath: string;
  readonly names: ConsistencyColumnNames;
  /** Null where no index was named. */
  readonly alias: string | null;
  readonly mappings: estypes.MappingTypeMapping | undefined;
  readonly settings: estypes.IndicesIndexSettings | undefined;
  readonly durableTombstones: boolean;
}

/** What is looked at: nothing of it was checked, prepared or started. */
export interface Inspection {
  readonly tables: readonly InspectedTable[];
  /** By their names. */
  readonly dataSources: ReadonlyMap<string, DataSource>;
  /** Null where none was named. */
  readonly client: Client | null;
  readonly options: ResolvedOptions;
  /** One for each DataSource that is followed. */
  readonly backstops: readonly ResolvedBackstopOptions[];
  close(): Promise<void>;
}
