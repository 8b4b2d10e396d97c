import { Column, Index } from 'typeorm';
import { InvalidSchemaError } from './errors.js';
import { MAX_VERSION, type RowState } from './protocol/row.js';

/** Named by hand: a migration must be able to name it without TypeORM's hash. */
export const CONSISTENCY_DEADLINE_INDEX = 'IDX_consistency_deadline';

/** Versions are kept below 2^53 by the protocol; a larger one was not written by it and would be rounded. */
const exactVersion = {
  to: (value: number | undefined) => value,
  from: (value: string | number | null | undefined): number | null | undefined => {
    if (value === null || value === undefined) return value;
    const version = Number(value);
    if (!Number.isSafeInteger(version)) {
      throw new InvalidSchemaError(
        `A consistency version is ${value}, above ${MAX_VERSION}: this library did not write it. Put back the version ` +
          "of the row's document in Elasticsearch.",
        { version: String(value) },
      );
    }
    return version;
  },
};

/**
 * The protocol's columns in an entity:
 *
 *     @Column(() => Consistency) consistency!: Consistency;
 *
 * They are called `consistency_state`, `consistency_version`, `consistency_deadline` and `consistency_pending` (a custom
 * naming strategy may differ; `addConsistencyColumns` follows it). TypeORM's own `save()` never writes them.
 */
export class Consistency {
  /** `prepare` while a write is undecided. A strong read only returns `commit` rows. Default `commit`. */
  @Column({
    name: '_state',
    type: 'enum',
    enum: ['commit', 'prepare'],
    default: 'commit',
    insert: false,
    update: false,
  })
  state!: RowState;

  /** The row's version: the external version of its document. Grows with every write, µs since 1970. Default 0. */
  @Column({
    name: '_version',
    type: 'bigint',
    unsigned: true,
    default: 0,
    insert: false,
    update: false,
    transformer: exactVersion,
  })
  version!: number;

  /** UTC, set while `prepare`: after it anyone may settle the row. Not selected by default. */
  @Index(CONSISTENCY_DEADLINE_INDEX)
  @Column({
    name: '_deadline',
    type: 'datetime',
    precision: 6,
    nullable: true,
    insert: false,
    update: false,
    select: false,
  })
  deadline!: string | null;

  /** Set while `prepare`: the operation and the undo image. Not selected by default. */
  @Column({ name: '_pending', type: 'json', nullable: true, insert: false, update: false, select: false })
  pending!: unknown;
}
