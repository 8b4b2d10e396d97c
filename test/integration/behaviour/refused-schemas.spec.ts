import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ChildEntity,
  Column,
  type DataSource,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  type Relation,
  TableInheritance,
  Tree,
  TreeChildren,
  TreeParent,
  ViewColumn,
  ViewEntity,
} from 'typeorm';
import {
  Consistency,
  defineConsistentRepository,
  InvalidOptionsError,
  InvalidSchemaError,
  MappingConflictError,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { refusedStart, type RefusedStartOptions } from '../../support/refused.start.js';

abstract class Row {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ default: '' }) name!: string;
  @Column(() => Consistency) consistency!: Consistency;
}
@Entity('plain')
class Plain extends Row {}
@Entity('without_columns')
class WithoutColumns {
  @PrimaryColumn() id!: string;
}
@Entity('cascading')
class Cascading extends Row {
  @ManyToOne(() => Plain, { cascade: ['insert'] }) plain!: Relation<Plain>;
}
@Entity('holder')
class Holder extends Row {
  @OneToMany(() => Held, (held) => held.holder) held!: Relation<Held>[];
}
@Entity('held')
class Held extends Row {
  @ManyToOne(() => Holder, (holder) => holder.held, { onDelete: 'CASCADE' }) holder!: Relation<Holder>;
}
@Entity('unlinked')
class Unlinked extends Row {
  @ManyToOne(() => Holder, { onDelete: 'SET NULL' }) holder!: Relation<Holder>;
}
@Entity('animal')
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Animal extends Row {}
@ChildEntity()
class Cat extends Animal {
  @Column({ default: 9 }) lives!: number;
}
@Entity('folder')
@Tree('closure-table')
class Folder extends Row {
  @TreeChildren() children!: Relation<Folder>[];
  @TreeParent() parent!: Relation<Folder>;
}
@ViewEntity({ name: 'seen', expression: 'SELECT * FROM plain' })
class Seen {
  @ViewColumn() id!: number;
  @ViewColumn() name!: string;
}
@Entity('by_microsecond')
class ByMicrosecond {
  @PrimaryColumn({ type: 'datetime', precision: 6 }) at!: Date;
  @Column(() => Consistency) consistency!: Consistency;
}
@Entity('by_float')
class ByFloat {
  @PrimaryColumn({ type: 'float' }) id!: number;
  @Column(() => Consistency) consistency!: Consistency;
}

type Case = [string, Function[], RefusedStartOptions['prepare'], ...RegExp[]];
const sql = (statement: string) => (dataSource: DataSource) => dataSource.query(statement);

const CASES: Case[] = [
  [
    'an entity without the columns',
    [WithoutColumns],
    undefined,
    /WithoutColumns has no consistency columns/,
    /@Column\(\(\) => Consistency\)/,
    /addConsistencyColumns\(queryRunner, 'without_columns'\)/,
  ],
  [
    'a table without the columns',
    [Plain],
    sql('ALTER TABLE plain DROP COLUMN consistency_pending, DROP COLUMN consistency_deadline'),
    /consistency_deadline, consistency_pending are missing/,
    /addConsistencyColumns\(queryRunner, /,
  ],
  [
    'columns of another type',
    [Plain],
    sql('ALTER TABLE plain MODIFY consistency_version BIGINT NOT NULL, MODIFY consistency_deadline DATETIME NULL'),
    /consistency_version, consistency_deadline have another type/,
    /BIGINT UNSIGNED/,
  ],
  ['a relation that cascades', [Cascading, Plain], undefined, /`plain` has `cascade`/, /consistent\.transaction/],
  [
    'a foreign key that deletes',
    [Held, Holder],
    undefined,
    /Foreign key .*ON DELETE CASCADE/,
    /ON DELETE RESTRICT/,
    /bypassGuard: 'warn'/,
  ],
  ['a foreign key that sets NULL', [Unlinked, Holder, Held], undefined, /ON DELETE SET NULL/, /RESTRICT/],
  [
    'an UPDATE trigger',
    [Plain],
    sql(`CREATE TRIGGER touch BEFORE UPDATE ON plain FOR EACH ROW SET NEW.name = 'x'`),
    /Trigger `touch` \(BEFORE UPDATE\)/,
    /subscriber/,
  ],
  ['a MyISAM table', [Plain], sql('ALTER TABLE plain ENGINE = MyISAM'), /engine MyISAM/, /ENGINE = InnoDB/],
  ['the root of a single-table inheritance', [Animal, Cat], undefined, /Animal: single-table inheritance/],
  ['a child of a single-table inheritance', [Cat, Animal], undefined, /Cat: single-table inheritance/],
  ['a tree', [Folder], undefined, /tree entities \(closure-table\)/, /parent column/],
  ['a view', [Seen, Plain], undefined, /Seen: a view has no rows/],
  ['a key finer than a Date', [ByMicrosecond], undefined, /key column `at` is datetime\(6\)/, /3 fraction digits/],
  ['a floating-point key', [ByFloat], undefined, /float column cannot be the key/],
];

/** What cannot go through the protocol is refused at start-up, with what to do. */
describe('schemas that are refused', () => {
  let stores: Stores;
  beforeAll(async () => {
    stores = await Stores.create('refused');
  });
  afterAll(() => stores.close());

  it.each(CASES)('%s', async (_, [entity, ...others], prepare, ...expected) => {
    const repository = defineConsistentRepository(entity as never, { index: stores.index('refused') });
    const error = await refusedStart(stores, {
      entities: [entity, ...others] as never,
      repositories: [repository],
      dataSource: { dropSchema: true },
      prepare,
    });
    expect(error).toBeInstanceOf(InvalidSchemaError);
    for (const pattern of expected) expect(error.message).toMatch(pattern);
  });

  it('a connection that cannot carry every text', async () => {
    const error = await refusedStart(stores, {
      entities: [Plain],
      repositories: [defineConsistentRepository(Plain, { index: stores.index('refused') })],
      dataSource: { charset: 'latin1_swedish_ci' },
    });
    expect(error).toBeInstanceOf(InvalidSchemaError);
    expect(error.message).toMatch(/character set is latin1.*charset: 'utf8mb4'/s);
  });

  it('a server that is MariaDB', async () => {
    const error = await refusedStart(stores, {
      entities: [Plain],
      repositories: [defineConsistentRepository(Plain, { index: stores.index('refused') })],
      // There is no MariaDB here: only its version is put into the real server's answer.
      prepare: async (dataSource) => {
        const create = dataSource.createQueryRunner.bind(dataSource);
        dataSource.createQueryRunner = (mode) => {
          const runner = create(mode);
          const query = runner.query.bind(runner);
          runner.query = async (text: string, ...rest: unknown[]) => {
            const rows = await query(text, ...(rest as []));
            return (text.includes('VERSION()') ? [{ ...rows[0], version: '11.8.2-MariaDB' }] : rows) as never;
          };
          return runner;
        };
      },
    });
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toMatch(/MariaDB \(11\.8\.2-MariaDB\).*needs MySQL 8/s);
  });

  it('a mapping that the index contradicts', async () => {
    const index = stores.index('conflicting');
    await stores.client.indices.create({
      index: `${index}-1`,
      aliases: { [index]: {} },
      mappings: { properties: { name: { type: 'integer' } } },
    });
    const error = await refusedStart(stores, {
      entities: [Plain],
      repositories: [
        defineConsistentRepository(Plain, { index, mappings: { properties: { name: { type: 'keyword' } } } }),
      ],
    });
    expect(error).toBeInstanceOf(MappingConflictError);
    expect(error.message).toMatch(/name/);
  });
});

/** Triggers and acting foreign keys pass where the guard is told to let them. */
describe("schemas that bypassGuard: 'warn' lets pass", () => {
  it('a trigger and a foreign key that deletes', async () => {
    const stores = await Stores.create('warned');
    try {
      const target = defineConsistentRepository(Held, { index: stores.index('held') });
      const application = await stores.start({
        entities: [Held, Holder],
        repositories: [target],
        module: { bypassGuard: 'warn' },
      });
      expect(application.get(target).metadata.tableName).toBe('held');
    } finally {
      await stores.close();
    }
  });
});
