import { UnsupportedOperationError } from './errors.js';

/** What stands in for a method of TypeORM's Repository that cannot go through the protocol. */
const ALTERNATIVES = {
  upsert: 'save(), which inserts or updates by primary key',
  delete: 'find() and removeMany()',
  softDelete: 'find() and saveMany(), or softRemove()',
  restore: 'find({ withDeleted: true }) and recover()',
  increment: 'findOne(), change the property, save(entity, { expectedVersion })',
  decrement: 'findOne(), change the property, save(entity, { expectedVersion })',
  clear: 'removeMany(), or drop table and index together',
  query: 'dataSource.query() for reading; consistent.transaction() for writing beside consistent rows',
  createQueryBuilder: 'findWith((queryBuilder) => …) for reading',
} as const;

/**
 * Methods of TypeORM's Repository that would write around the protocol. Each throws `UnsupportedOperationError`, which names
 * what to call instead: were they only missing, a user would look for a way around.
 */
export abstract class RefusedOperations {
  /** @deprecated Refused: writes around the protocol. */
  upsert(..._arguments: never[]): never {
    return this.refuse('upsert');
  }

  /** @deprecated Refused: writes around the protocol. */
  delete(..._arguments: never[]): never {
    return this.refuse('delete');
  }

  /** @deprecated Refused: writes around the protocol. */
  softDelete(..._arguments: never[]): never {
    return this.refuse('softDelete');
  }

  /** @deprecated Refused: writes around the protocol. */
  restore(..._arguments: never[]): never {
    return this.refuse('restore');
  }

  /** @deprecated Refused: writes around the protocol. */
  increment(..._arguments: never[]): never {
    return this.refuse('increment');
  }

  /** @deprecated Refused: writes around the protocol. */
  decrement(..._arguments: never[]): never {
    return this.refuse('decrement');
  }

  /** @deprecated Refused: writes around the protocol. */
  clear(..._arguments: never[]): never {
    return this.refuse('clear');
  }

  /** @deprecated Refused: reads and writes around the protocol. */
  query(..._arguments: never[]): never {
    return this.refuse('query');
  }

  /** @deprecated Refused: reads and writes around the protocol. */
  createQueryBuilder(..._arguments: never[]): never {
    return this.refuse('createQueryBuilder');
  }

  /** @internal Whose repository refuses. */
  protected abstract refusingEntity(): string;

  private refuse(operation: keyof typeof ALTERNATIVES): never {
    const name = this.refusingEntity();
    throw new UnsupportedOperationError(
      `${name}: ${operation}() cannot go through the protocol. Use ${ALTERNATIVES[operation]}.`,
      { entity: name, operation },
    );
  }
}
