import type { DataSource, EntityMetadata, ObjectLiteral } from 'typeorm';
import type { ColumnMetadata } from 'typeorm/metadata/ColumnMetadata.js';
import type { MysqlDriver } from 'typeorm/driver/mysql/MysqlDriver.js';
import { Consistency } from '../consistency.columns.js';
import type { ConsistentEntityOptions } from '../consistent.decorator.js';
import { InvalidSchemaError } from '../errors.js';
import { columnCodec, type ColumnCodec, type DriverSettings } from '../mysql/column.codec.js';
import { quotePath } from '../mysql/identifier.js';
import type { TableShape } from '../mysql/table.introspection.js';
import type { Decider, Presence } from '../protocol/row.js';
import type { RowImage } from './row.image.js';
import { tombstoneOptions, type Tombstones } from './tombstone.options.js';

/** A column of the real table, how its values are copied exactly, and the entity's view of it where it has one. */
export interface BoundColumn {
  readonly name: string;
  readonly codec: ColumnCodec;
  readonly metadata: ColumnMetadata | undefined;
}

/** The four protocol columns by their names in the table: the naming strategy decides those. */
export interface ConsistencyNames {
  readonly state: string;
  readonly version: string;
  readonly deadline: string;
  readonly pending: string;
}

/**
 * Everything known of one entity on one DataSource: TypeORM's metadata, the real table, and the repository's options.
 * Made once at start-up; only `rebind` changes it, after the table's columns were changed.
 */
export class EntityBinding<Entity extends ObjectLiteral = any> {
  readonly name: string;
  readonly alias: string;
  readonly decider: Decider;
  readonly tombstones: Tombstones;
  readonly tombstoneRetentionMs: number;
  readonly names: ConsistencyNames;
  /** Every column of the table but the four of the protocol. */
  readonly columns: readonly BoundColumn[];
  readonly key: readonly BoundColumn[];
  /** Columns that an entity instance carries: mapped, and not the bare join column of a relation. */
  readonly hydratedColumns: readonly BoundColumn[];
  readonly driver: MysqlDriver;
  /** What decides how the driver reads values. */
  readonly driverSettings: DriverSettings;
  private readonly consistencyProperty: string;

  constructor(
    readonly dataSource: DataSource,
    readonly dataSourceName: string,
    readonly metadata: EntityMetadata,
    readonly shape: TableShape,
    readonly options: ConsistentEntityOptions<Entity>,
    defaultDecider: Decider,
  ) {
    this.name = metadata.name;
    this.alias = typeof options.index === 'function' ? options.index(dataSourceName) : options.index;
    this.decider = options.decider ?? defaultDecider;
    const { tombstones, tombstoneRetentionMs } = tombstoneOptions(metadata.name, options);
    this.tombstones = tombstones;
    this.tombstoneRetentionMs = tombstoneRetentionMs;
    this.names = consistencyNames(metadata);
    this.consistencyProperty = metadata.embeddeds.find(({ type }) => type === Consistency)!.propertyName;
    this.driver = dataSource.driver as MysqlDriver;
    this.driverSettings = driverSettings(dataSource);
    const ours = new Set<string>(Object.values(this.names));
    this.columns = shape.columns
      .filter((column) => !ours.has(column.name))
      .map((column) => ({
        name: column.name,
        codec: columnCodec(column),
        metadata: metadata.columns.find((candidate) => candidate.databaseName === column.name),
      }));
    this.hydratedColumns = this.columns.filter((column) => column.metadata && !column.metadata.isVirtual);
    this.key = metadata.primaryColumns.map((primary) => {
      const bound = this.columns.find((column) => column.name === primary.databaseName);
      if (!bound) throw new InvalidSchemaError(`${this.name}: key column ${primary.databaseName} is not in the table.`);
      return bound;
    });
  }

  /**
   * Takes over the table's new columns. Those that stay keep their order, so that an answer to a statement from before is
   * still read rightly. Throws `InvalidSchemaError` when a column that the entity maps is gone; then nothing is changed.
   */
  rebind(shape: TableShape): void {
    const { dataSource, dataSourceName, metadata, options, decider } = this;
    const { columns, key, hydratedColumns } = new EntityBinding(
      dataSource,
      dataSourceName,
      metadata,
      shape,
      options,
      decider,
    );
    const gone = this.columns.filter(
      (column) => column.metadata && !shape.columns.some(({ name }) => name === column.name),
    );
    if (gone.length > 0) {
      const names = gone.map(({ name }) => name).join(', ');
      throw new InvalidSchemaError(
        `${this.name}: the table no longer has ${names}, which the entity maps. Add it again, or change the entity and start anew.`,
        { entity: this.name, missing: names },
      );
    }
    const order = new Map(this.columns.map(({ name }, at) => [name, at]));
    const place = ({ name }: BoundColumn): number => order.get(name) ?? order.size;
    Object.assign(this, { shape, key, hydratedColumns, columns: columns.toSorted((a, b) => place(a) - place(b)) });
  }

  get target(): Function {
    return this.metadata.target as Function;
  }

  /** The table as SQL names it, quoted. */
  get table(): string {
    return quotePath(this.metadata.tablePath);
  }

  /** What the driver would have handed to TypeORM for this column. */
  driverValue(column: BoundColumn, image: RowImage): unknown {
    return column.codec.toDriver(image[column.name] ?? null, this.driverSettings);
  }

  documentValue(column: BoundColumn, image: RowImage): unknown {
    return column.codec.toDocument(image[column.name] ?? null, this.driverSettings);
  }

  /** The entity's value of a column in this image, through TypeORM's own conversion and transformers. */
  entityValue(column: BoundColumn, image: RowImage): unknown {
    return this.driver.prepareHydratedValue(this.driverValue(column, image), column.metadata!);
  }

  /** Builds an entity from an image, as a `find` would have: columns without `select: false`, then `@AfterLoad`. */
  async hydrate(image: RowImage): Promise<Entity> {
    const entity = this.entityOf(image);
    await this.runAfterLoad(entity);
    return entity;
  }

  /** As `hydrate`, before `@AfterLoad`. */
  entityOf(image: RowImage): Entity {
    const entity = this.metadata.create(undefined, { fromDeserializer: true }) as Entity;
    for (const column of this.hydratedColumns) {
      if (column.metadata!.isSelect) column.metadata!.setEntityValue(entity, this.entityValue(column, image));
    }
    return entity;
  }

  async runAfterLoad(entity: Entity): Promise<void> {
    for (const listener of this.metadata.afterLoadListeners) {
      if (listener.isAllowed(entity)) await listener.execute(entity);
    }
  }

  /** Has this image of the row a document? */
  presence(image: RowImage, entity: Entity): Presence {
    const deleted = this.metadata.deleteDateColumn;
    if (deleted && image[deleted.databaseName] != null) return 'absent';
    return this.options.when && !this.options.when(entity) ? 'absent' : 'present';
  }

  consistencyOf(entity: Entity): Consistency | undefined {
    return (entity as Record<string, Consistency | undefined>)[this.consistencyProperty];
  }

  setConsistency(entity: Entity, consistency: Pick<Consistency, 'state' | 'version'>): void {
    const held = this.consistencyOf(entity) ?? new Consistency();
    (entity as Record<string, unknown>)[this.consistencyProperty] = Object.assign(held, consistency);
  }
}

export function consistencyNames(metadata: EntityMetadata): ConsistencyNames {
  const embedded = metadata.embeddeds.find((candidate) => candidate.type === Consistency);
  if (!embedded) {
    throw new InvalidSchemaError(
      `${metadata.name} has no consistency columns. Add to the entity:\n` +
        `  @Column(() => Consistency) consistency!: Consistency;\n` +
        `and to a migration:\n  await addConsistencyColumns(queryRunner, '${metadata.tableName}');`,
      { entity: metadata.name },
    );
  }
  const named = (property: string): string => {
    const column = embedded.columns.find(({ propertyName }) => propertyName === property);
    if (column) return column.databaseName;
    throw new InvalidSchemaError(
      `${metadata.name}: its EntitySchema does not have the columns of Consistency, which are declared by decorators. Decorate ` +
        'the entity class instead: @Column(() => Consistency) consistency!: Consistency;',
      { entity: metadata.name, missing: property },
    );
  };
  return { state: named('state'), version: named('version'), deadline: named('deadline'), pending: named('pending') };
}

function driverSettings(dataSource: DataSource): DriverSettings {
  const options = dataSource.options as unknown as Record<string, unknown> & { extra?: Record<string, unknown> };
  const merged = { ...options, ...options.extra } as Record<string, unknown>;
  return {
    timezone: (merged.timezone as string | undefined) ?? 'local',
    dateStrings: (merged.dateStrings as boolean | string[] | undefined) ?? false,
    // TypeORM's own defaults for mysql.
    supportBigNumbers: (merged.supportBigNumbers as boolean | undefined) ?? true,
    bigNumberStrings: (merged.bigNumberStrings as boolean | undefined) ?? true,
    decimalNumbers: (merged.decimalNumbers as boolean | undefined) ?? false,
  };
}
