import type { ConsistentRegistry } from '../consistent.registry.js';
import { InvalidSchemaError } from '../errors.js';
import type { SqlQuery } from '../mysql/table.introspection.js';
import type { AdoptionTable } from './adoption.table.js';
import type { SuspectTables } from './backstop.suspects.js';
import type { SchemaChangeEvent } from './binlog.types.js';
import { readCascades } from './cascade.rules.js';
import type { CascadeWatch } from './cascade.watch.js';
import { changedColumns } from './column.watch.js';
import { ImageDecoder } from './image.decoder.js';
import { columnsFingerprint, schemaEffect } from './schema.tracker.js';
import type { SessionZone } from './session.zone.js';

/** Foreign keys come, go, or name another table. */
const MAY_CHANGE_CASCADES = /\b(?:FOREIGN|REFERENCES|RENAME|CONSTRAINT)\b/i;

export interface SchemaKeeperParts {
  readonly registry: Pick<ConsistentRegistry, 'rebind'>;
  readonly query: SqlQuery;
  /** By `database.table`. */
  readonly tables: ReadonlyMap<string, AdoptionTable>;
  readonly suspects: Pick<SuspectTables, 'add'>;
  readonly cascades: CascadeWatch;
  readonly zone: () => SessionZone;
  /** The table is bound to its columns anew. */
  readonly rebound: (table: AdoptionTable) => void;
}

/** Keeps what the run knows of its tables' columns and foreign keys true while they change. */
export class SchemaKeeper {
  constructor(private readonly parts: SchemaKeeperParts) {}

  /** To be called once before the log is read: this instance may have stood by while tables were changed. */
  async begin(): Promise<void> {
    const { query, tables } = this.parts;
    await this.readCascades();
    const contexts = new Map([...tables.values()].map((table) => [table.context, table]));
    for (const context of await changedColumns(query, [...contexts.keys()])) await this.rebind(contexts.get(context)!);
  }

  async changed({ schema, statement }: SchemaChangeEvent): Promise<void> {
    const { tables, suspects } = this.parts;
    if (MAY_CHANGE_CASCADES.test(statement)) await this.readCascades();
    const effect = schemaEffect(statement, schema, tables.keys());
    for (const name of effect.tables) {
      if (!(await this.rebind(tables.get(name)!))) continue;
      if (effect.rowsMayDiffer) suspects.add(name, 'a statement may have changed its rows without telling which');
    }
  }

  /** False where the table is not as the entity needs it: then it is closed. */
  async rebind(table: AdoptionTable): Promise<boolean> {
    const { registry, suspects, zone, rebound } = this.parts;
    const { binding } = table.context;
    const before = columnsFingerprint(binding);
    try {
      await registry.rebind(table.context);
    } catch (error) {
      if (!(error instanceof InvalidSchemaError)) throw error;
      table.close(error.message);
      return false;
    }
    table.rebound(new ImageDecoder(binding, zone()));
    rebound(table);
    if (columnsFingerprint(binding) !== before) {
      suspects.add(table.name, 'columns that its documents show were changed');
    }
    return true;
  }

  private async readCascades(): Promise<void> {
    const { query, tables, cascades } = this.parts;
    cascades.set(await readCascades(query, tables.keys()));
  }
}
