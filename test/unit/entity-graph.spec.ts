import { describe, expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import type { EntityContext } from '../../src/entity/entity.context.js';
import { collectEntities } from '../../src/settle/entity.graph.js';

class Row {
  constructor(readonly id: string) {}
  [other: string]: unknown;
}
const CONTEXT = {} as EntityContext;
const contextOf = (instance: object) => (instance instanceof Row ? CONTEXT : undefined);
const found = (root: object) => collectEntities(root, contextOf);
const ids = (root: object) =>
  found(root)
    .map(({ entity }) => entity.id as string)
    .toSorted();

describe('the walk over a result', () => {
  it('finds entities in arrays, objects and other entities', () => {
    const nested = Object.assign(new Row('a'), { child: new Row('b'), list: [new Row('c'), { deep: [new Row('d')] }] });
    expect(ids({ value: nested, other: [[new Row('e')]], nothing: null, text: 'x', number: 1 })).toEqual([
      'a',
      'b',
      'c',
      'd',
      'e',
    ]);
  });

  it('tells the place of each, so that it can be taken out', () => {
    const list = [new Row('a'), 1, new Row('b')];
    expect(
      found({ list })
        .map(({ holder, property }) => `${holder === list} ${property}`)
        .toSorted(),
    ).toEqual(['true 0', 'true 2']);
  });

  it('gives an entity that stands in several places a site for each, and enters it once', () => {
    const shared = Object.assign(new Row('shared'), { child: new Row('child') });
    expect(ids({ list: [shared, shared], first: shared })).toEqual(['child', 'shared', 'shared', 'shared']);
  });

  it('ends on cycles', () => {
    const parent = new Row('parent');
    const child = Object.assign(new Row('child'), { parent });
    parent.children = [child];
    const root: Record<string, unknown> = { parent };
    root.self = root;
    expect(ids(root)).toEqual(['child', 'parent', 'parent']);
  });

  it('calls no getter', () => {
    const trap = Object.defineProperties(
      {},
      {
        own: {
          enumerable: true,
          get: () => {
            throw new Error('called');
          },
        },
      },
    );
    class WithGetter {
      get inherited(): never {
        throw new Error('called');
      }
    }
    expect(ids({ trap, other: new WithGetter(), row: new Row('a') })).toEqual(['a']);
  });

  it('does not enter buffers, dates, errors, promises and streams', () => {
    const hidden = (holder: object) => Object.assign(holder, { row: new Row('hidden') });
    const closed = [
      new Date(),
      /x/,
      new Uint8Array(2),
      Buffer.from('x'),
      new ArrayBuffer(2),
      new Error('x'),
      Promise.resolve(),
      Readable.from([]),
    ];
    expect(ids({ closed: closed.map(hidden) })).toEqual([]);
  });

  it('takes odd containers as they come', () => {
    const bare = Object.assign(Object.create(null) as object, { row: new Row('a') });
    const holes = [new Row('b')];
    holes[3] = new Row('c');
    const frozen = Object.freeze([new Row('d')]);
    const named = JSON.parse('{"__proto__":{"x":1},"constructor":"x","length":-1}') as object;
    expect(ids({ bare, holes, frozen, named })).toEqual(['a', 'b', 'c', 'd']);
    expect(ids({})).toEqual([]);
  });
});
