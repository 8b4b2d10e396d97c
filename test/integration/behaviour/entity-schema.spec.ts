import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EntitySchema } from 'typeorm';
import { Consistency, defineConsistentRepository, InvalidSchemaError } from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { refusedStart } from '../../support/refused.start.js';

class Wheel {
  id!: number;
  size!: string;
  consistency!: Consistency;
}
const columns = {
  id: { type: 'int', primary: true, generated: 'increment' },
  size: { type: 'varchar', length: '20' },
} as const;
const plainConsistency = new EntitySchema<Consistency>({ name: 'Consistency', target: Consistency, columns: {} });
const unmanaged = { insert: false, update: false } as const;
const fullConsistency = new EntitySchema<Consistency>({
  name: 'Consistency',
  target: Consistency,
  columns: {
    state: { name: '_state', type: 'enum', enum: ['commit', 'prepare'], default: 'commit', ...unmanaged },
    version: {
      name: '_version',
      type: 'bigint',
      unsigned: true,
      default: 0,
      transformer: { to: (value: unknown) => value, from: Number },
      ...unmanaged,
    },
    deadline: { name: '_deadline', type: 'datetime', precision: 6, nullable: true, select: false, ...unmanaged },
    pending: { name: '_pending', type: 'json', nullable: true, select: false, ...unmanaged },
  },
});
const schemaOf = (name: string, consistency: EntitySchema<Consistency>, target?: typeof Wheel) =>
  new EntitySchema<Wheel>({
    name,
    tableName: name.toLowerCase(),
    ...(target ? { target } : {}),
    columns,
    embeddeds: { consistency: { schema: consistency, prefix: 'consistency' } },
  });

describe('entities that are defined by an EntitySchema', () => {
  let stores: Stores;
  beforeAll(async () => {
    stores = await Stores.create('schema');
  });
  afterAll(() => stores.close());

  const refusal = (schema: EntitySchema<Wheel>, entity: typeof Wheel | EntitySchema<Wheel>) => {
    const target = defineConsistentRepository(entity, { index: stores.index('refused') });
    return refusedStart(stores, { entities: [schema as never], repositories: [target] });
  };

  it('work with a class and the protocol columns spelled out', async () => {
    const target = defineConsistentRepository(Wheel, { index: stores.index('wheels') });
    const application = await stores.start({
      entities: [schemaOf('Wheel', fullConsistency, Wheel) as never],
      repositories: [target],
    });
    const wheels = application.get(target);
    const saved = await wheels.save({ size: 'large' });
    expect(await stores.row('wheel', saved.id)).toMatchObject({ size: 'large', consistency_state: 'commit' });
    expect((await stores.document(wheels.index, String(saved.id)))!.source).toEqual({ id: saved.id, size: 'large' });
    expect(await wheels.findOneByOrFail({ id: saved.id })).toBeInstanceOf(Wheel);
  });

  it('are refused by name without the protocol columns', async () => {
    const error = await refusal(schemaOf('Bare', plainConsistency, Wheel), Wheel);
    expect(error).toBeInstanceOf(InvalidSchemaError);
    expect(error.message).toMatch(/Wheel.*EntitySchema.*@Column\(\(\) => Consistency\)/s);
  });

  it('are refused by name without a class', async () => {
    const schema = schemaOf('Classless', fullConsistency);
    const error = await refusal(schema, schema);
    expect(error).toBeInstanceOf(InvalidSchemaError);
    expect(error.message).toMatch(/Classless.*EntitySchema.*target/s);
  });
});
