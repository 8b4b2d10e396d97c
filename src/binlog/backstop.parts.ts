import type { Client } from '@elastic/elasticsearch';
import type { Logger } from '@nestjs/common';
import type { ConnectionOptions } from 'mysql2';
import type { DataSource } from 'typeorm';
import type { ConsistentRegistry } from '../consistent.registry.js';
import type { EntityContext } from '../entity/entity.context.js';
import type { ConsistencyMeter } from '../observe/consistency.meter.js';
import type { ServerClock } from '../observe/server.clock.js';
import type { ResolvedBackstopOptions } from './backstop.options.js';
import type { CheckpointStore } from './checkpoint.store.js';

/** What one leadership works with. */
export interface RunParts {
  readonly options: ResolvedBackstopOptions;
  readonly dataSource: DataSource;
  readonly connection: ConnectionOptions;
  readonly contexts: readonly EntityContext[];
  readonly client: Client;
  readonly registry: ConsistentRegistry;
  readonly checkpoints: CheckpointStore;
  readonly meter: ConsistencyMeter;
  readonly clock: ServerClock;
  readonly logger: Logger;
  /** One sweep, as the scheduled job would do it. */
  readonly sweep: (signal: AbortSignal) => Promise<void>;
}
