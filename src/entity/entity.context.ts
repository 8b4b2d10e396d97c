import type { Logger } from '@nestjs/common';
import type { ResolvedOptions } from '../consistent.options.js';
import type { DocumentStore } from '../elasticsearch/document.store.js';
import type { IndexRoutes } from '../elasticsearch/index.route.js';
import type { ParkedStore } from '../mysql/parked.store.js';
import type { RowStore } from '../mysql/row.store.js';
import type { ConsistentEvents } from '../observe/consistent.events.js';
import type { Instruments } from '../observe/instruments.js';
import type { ResolveQueue } from '../settle/resolve.queue.js';
import type { Settler } from '../settle/settler.js';
import type { FlipGroup } from '../write/flip.group.js';
import type { IndexGroup } from '../write/index.group.js';
import type { PrepareGroup } from '../write/prepare.group.js';
import type { EntityBinding } from './entity.binding.js';

/** Where prepared writes queue for the index, and then for their flip. */
export interface Lane {
  readonly index: IndexGroup;
  readonly flips: FlipGroup;
}

/** The parts that work on one entity of one DataSource. Made by the registry at start-up. */
export interface EntityContext {
  readonly binding: EntityBinding;
  readonly store: RowStore;
  readonly documents: DocumentStore;
  /** Which index they go to, and whether writes may begin. */
  readonly routes: IndexRoutes;
  readonly parked: ParkedStore;
  readonly settler: Settler;
  /** For reads: shared batches, bounded. */
  readonly queue: ResolveQueue;
  /** Index requests and flips of single writes. */
  readonly single: Lane;
  /** Those of saveMany and of units of work, which always share. The same lane, but for `groupCommit: false`. */
  readonly many: Lane;
  /** Shared prepares. */
  readonly prepares: PrepareGroup;
  readonly options: ResolvedOptions;
  readonly events: ConsistentEvents;
  readonly logger: Logger;
  /** Who watches the steps. */
  readonly instruments: Instruments;
}
