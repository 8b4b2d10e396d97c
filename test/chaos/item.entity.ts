import { type DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn, VersionColumn } from 'typeorm';
import {
  Consistency,
  type ConsistentEntityOptions,
  ConsistentModule,
  type ConsistentModuleOptions,
  ConsistentRepository,
  defineConsistentRepository,
} from '../../src/index.js';
import type { ItemState } from './item.model.js';

/** `note` follows from `value`: a row that mixes two images gives itself away. */
@Entity('item')
export class Item {
  @PrimaryColumn({ type: 'varchar', length: 64 }) id!: string;
  @Column() value!: string;
  @Column() note!: string;
  @Column({ type: 'boolean', default: true }) listed!: boolean;
  @UpdateDateColumn({ type: 'datetime', precision: 6 }) touchedAt!: Date;
  @DeleteDateColumn({ type: 'datetime', precision: 6 }) deletedAt!: Date | null;
  @VersionColumn() revision!: number;
  @Column(() => Consistency) consistency!: Consistency;
}

export const ITEM_INDEX = 'chaos-items';

/**
 * Which of the library's ways a run takes. `when`: rows are switched in and out of the index, every prepare is one of
 * TypeORM's. `plain`: no `when`, so that prepares are the library's own statements, shared or alone. `mysql`: as `when`,
 * with `decider: 'mysql'`.
 */
export const PROFILES = ['when', 'plain', 'mysql'] as const;
export type Profile = (typeof PROFILES)[number];

const options: ConsistentEntityOptions<Item> = {
  index: ITEM_INDEX,
  mappings: {
    dynamic: 'strict',
    properties: {
      id: { type: 'keyword' },
      value: { type: 'keyword' },
      note: { type: 'keyword' },
      listed: { type: 'boolean' },
      touchedAt: { type: 'date' },
      deletedAt: { type: 'date' },
      revision: { type: 'integer' },
    },
  },
  settings: { number_of_shards: 1, number_of_replicas: 0 },
};
const when = (item: Item): boolean => item.listed;

export const ITEM_REPOSITORIES = {
  when: defineConsistentRepository(Item, { ...options, when }),
  plain: defineConsistentRepository(Item, options),
  mysql: defineConsistentRepository(Item, { ...options, when, decider: 'mysql' }),
} as const satisfies Record<Profile, unknown>;
export type ItemRepository = ConsistentRepository<Item>;

export const noteOf = (value: string): string => `note of ${value}`;

/** A torn image is no state that any write makes. */
export function stateOf(item: Pick<Item, 'value' | 'note' | 'listed' | 'deletedAt'> | null | undefined): ItemState {
  if (!item) return null;
  const whole = item.note === noteOf(item.value);
  return {
    value: whole ? item.value : `TORN ${item.value} / ${item.note}`,
    listed: Boolean(item.listed),
    deleted: item.deletedAt !== null,
  };
}

/** mysql2 takes a server out of the cluster for good after five connection errors; its pool's end can end the process. */
const NEVER = Number.MAX_SAFE_INTEGER;

export interface ItemModuleOptions {
  profile: Profile;
  mysqlUrl: string;
  replicaUrl?: string | undefined;
  elasticsearchUrl: string;
  /** Makes the table. Default false. */
  synchronize?: boolean;
  consistent?: Partial<ConsistentModuleOptions>;
}

/** What an application would import. Limits are short, so that deadlines pass while requests are still under way. */
export function itemModules({
  profile,
  mysqlUrl,
  replicaUrl,
  elasticsearchUrl,
  synchronize,
  consistent,
}: ItemModuleOptions): DynamicModule[] {
  return [
    TypeOrmModule.forRoot({
      type: 'mysql',
      ...(replicaUrl
        ? { replication: { master: { url: mysqlUrl }, slaves: [{ url: replicaUrl }], removeNodeErrorCount: NEVER } }
        : { url: mysqlUrl }),
      entities: [Item],
      synchronize: synchronize ?? false,
      timezone: 'Z',
      charset: 'utf8mb4',
      poolSize: 12,
      connectTimeout: 2_000,
      retryAttempts: 200,
      retryDelay: 250,
    }),
    ScheduleModule.forRoot(),
    ConsistentModule.forRoot({
      elasticsearch: { node: elasticsearchUrl },
      writeTimeoutMs: 500,
      deadlineMs: 1_200,
      busyTimeoutMs: 600,
      statementTimeoutMs: 1_500,
      retry: { attempts: 2, backoffMs: 20 },
      readRepair: { timeoutMs: 500 },
      sweeper: { intervalMs: 300, leaseMs: 1_500 },
      startupTimeoutMs: 120_000,
      shutdownTimeoutMs: 10_000,
      ...consistent,
    }),
    ConsistentModule.forFeature([ITEM_REPOSITORIES[profile]]),
  ];
}
