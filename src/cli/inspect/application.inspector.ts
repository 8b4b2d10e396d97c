import type { LoggerService } from '@nestjs/common';
import { CONSISTENT_CLIENT } from '../../consistent.module.js';
import { ConsistentRegistry, type Registration } from '../../consistent.registry.js';
import { CONSISTENCY_DEADLINE_INDEX } from '../../consistency.columns.js';
import { consistencyNames } from '../../entity/entity.binding.js';
import { openApplication } from '../application/application.opener.js';
import type { InspectedTable, Inspection } from './inspected.types.js';

/** Reads what the application declares, also where it could not start. */
export async function inspectApplication(app: string, logger: LoggerService): Promise<Inspection> {
  const found: Registration[] = [];
  ConsistentRegistry.inspector = (registration) => found.push(registration);
  const context = await openApplication(app, logger);
  const registry = context.get(ConsistentRegistry, { strict: false });
  return {
    tables: unique(found).map(tableOf),
    dataSources: new Map(found.map(({ dataSourceName, dataSource }) => [dataSourceName, dataSource])),
    client: context.get(CONSISTENT_CLIENT, { strict: false }),
    options: registry.options,
    backstops: [...registry.backstops].flatMap(({ options }) => options ?? []),
    close: () => context.close(),
  };
}

/** One entity may have been registered by several modules. */
function unique(registrations: readonly Registration[]): Registration[] {
  const known = new Map(
    registrations.map((one) => [
      `${one.dataSourceName}:${one.dataSource.getMetadata(one.definition.entity).name}`,
      one,
    ]),
  );
  return [...known.values()];
}

/** @throws InvalidSchemaError where the entity has no consistency columns */
function tableOf({ definition, dataSource, dataSourceName }: Registration): InspectedTable {
  const metadata = dataSource.getMetadata(definition.entity);
  const { index, mappings, settings, tombstones } = definition.options;
  return {
    name: metadata.name,
    metadata,
    dataSource,
    dataSourceName,
    database: metadata.database ?? String(dataSource.driver.database),
    tableName: metadata.tableName,
    tablePath: metadata.tablePath,
    names: { ...consistencyNames(metadata), deadlineIndex: CONSISTENCY_DEADLINE_INDEX },
    alias: typeof index === 'function' ? index(dataSourceName) : index,
    mappings,
    settings,
    durableTombstones: tombstones === 'durable',
  };
}
