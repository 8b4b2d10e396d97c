import type { EntityContext } from '../entity/entity.context.js';
import { UnsupportedOperationError } from '../errors.js';

/** Every table whose documents are in the index of this alias. */
export function aliasContexts(all: readonly EntityContext[], alias: string): EntityContext[] {
  return all.filter(({ binding }) => binding.alias === alias);
}

/** @throws UnsupportedOperationError where they are of several DataSources: nothing could close all of them at once */
export function reindexable(all: readonly EntityContext[], alias: string): EntityContext[] {
  const contexts = aliasContexts(all, alias);
  const dataSources = new Set(contexts.map(({ binding }) => binding.dataSourceName));
  if (dataSources.size <= 1) return contexts;
  throw new UnsupportedOperationError(
    `The index "${alias}" has documents of several DataSources (${[...dataSources].join(', ')}), whose writes cannot be held back ` +
      'together. Give each an index of its own (`index: (dataSource) => …`).',
    { alias, dataSources: [...dataSources] },
  );
}
