import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GtidSet } from '../../../src/binlog/gtid.set.js';
import { InvalidGtidSetError } from '../../../src/errors.js';

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const B = '4f22fa47-71ca-11e1-9e33-c80aa9429562';
const LAST = '9223372036854775806';
const format = (text: string) => GtidSet.parse(text).toString();

describe('reading and printing', () => {
  // Each line was compared with what GTID_SUBTRACT(text, '') makes of it in MySQL 9.7.
  it.each([
    ['', ''],
    [' , ,', ''],
    [`${A.toUpperCase()}:1`, `${A}:1`],
    [`${A.replaceAll('-', '')}:1`, `${A}:1`],
    [`{${A}}:1`, `${A}:1`],
    [` ${A} : 1 - 3 , `, `${A}:1-3`],
    [`${A}:1,\n${A}:2`, `${A}:1-2`],
    [`${A}:01`, `${A}:1`],
    [`${A}:5-3`, ''],
    [A, ''],
    [`${A}:tag`, ''],
    [`${A}:1-3:2-7`, `${A}:1-7`],
    [`${A}:7:1:3-5:2`, `${A}:1-5:7`],
    [`${B}:1,${A}:1`, `${A}:1,${B}:1`],
    [`${A}:Tag:1-3:5`, `${A}:tag:1-3:5`],
    [`${A}:1:tag:1:tag:2:a_b:7`, `${A}:1:a_b:7:tag:1-2`],
    [`${A}:tag1:tag2:1`, `${A}:tag2:1`],
    [`${A}:5-3:t:1`, `${A}:t:1`],
    [`${A}:b:1,${A}:a:1,${A}:1`, `${A}:1:a:1:b:1`],
    [`${A}:_t:3`, `${A}:_t:3`],
    [`${A}:${'a'.repeat(32)}:3`, `${A}:${'a'.repeat(32)}:3`],
    [`${A}:1-${LAST}`, `${A}:1-${LAST}`],
    [`${A}:9007199254740993:9007199254740991`, `${A}:9007199254740991:9007199254740993`],
    [`${A}:9007199254740992:9007199254740991:9007199254740993`, `${A}:9007199254740991-9007199254740993`],
  ])('%j', (text, canonical) => {
    expect(format(text)).toBe(canonical);
    expect(format(canonical)).toBe(canonical);
  });

  it.each([
    `${A}:`,
    `${A}:0`,
    `${A}:0-3`,
    `${A}:1-`,
    `${A}:+1`,
    `${A}:1.5`,
    `${A}:1e3`,
    `${A}::1`,
    `${A}:1:`,
    `${A}:t:`,
    `${A}:1tag:3`,
    `${A}:t1-5:5`,
    `${A}:${'a'.repeat(33)}:3`,
    `${A}:9223372036854775807`,
    `${A}:1-99999999999999999999`,
    `${A.slice(1)}:1`,
    'nonsense',
  ])('refuses %j', (text) => {
    expect(() => GtidSet.parse(text)).toThrow(InvalidGtidSetError);
  });

  it('does not print a whole set that is too long into an error', () => {
    expect(() => GtidSet.parse('x'.repeat(1_000_000))).toThrow(/^.{0,1000}$/s);
  });
});

describe('adding transactions one by one', () => {
  it.each([
    ['in order', ['1', '2', '3'], '1-3'],
    ['with holes, later filled', ['1', '3', '2', '5', '4'], '1-5'],
    ['backwards', ['9', '8', '5', '7'], '5:7-9'],
    ['again', ['3', '3', '2', '2', '3'], '2-3'],
    [
      'over the largest exact number',
      ['9007199254740990', '9007199254740991', '9007199254740992', '9007199254740993'],
      '9007199254740990-9007199254740993',
    ],
    ['the last there can be', ['9223372036854775805', LAST], `9223372036854775805-${LAST}`],
  ])('%s', (_how, numbers, ranges) => {
    const set = new GtidSet();
    for (const number of numbers) set.add(`${A}:${number}`);
    expect(set.toString()).toBe(`${A}:${ranges}`);
  });

  it('of several sources, tagged ones among them, in any spelling', () => {
    const set = GtidSet.parse(`${A}:1-3`);
    for (const gtid of [`${A}:4`, `${A.toUpperCase()}:5`, `${B}:7`, `${A}:6`, `${A}:tag:1`, `${A}:TAG:2`, `${A}:7`]) {
      set.add(gtid);
      expect(set.contains(gtid)).toBe(true);
    }
    expect(set.toString()).toBe(`${A}:1-7:tag:1-2,${B}:7`);
  });

  it('refuses what is not one transaction, also right after a good one', () => {
    const set = new GtidSet();
    set.add(`${A}:1`);
    for (const bad of ['', A, `${A}:`, `${A}:0`, `${A}:1-2`, `${A}:x`, `${A}:tag:x:1`, `${A}:9t:1`, `:1`, `${A}: `]) {
      expect(() => set.add(bad)).toThrow(InvalidGtidSetError);
      expect(() => set.contains(bad)).toThrow(InvalidGtidSetError);
      expect(() => new GtidSet().add(bad)).toThrow(InvalidGtidSetError);
    }
    expect(set.toString()).toBe(`${A}:1`);
  });

  it('changes no copy and no result', () => {
    const set = GtidSet.parse(`${A}:1`);
    const others = [set.clone(), set.union(new GtidSet()), set.subtract(new GtidSet()), set.ofServer(A)];
    set.add(`${A}:2`);
    expect(others.map(String)).toEqual(others.map(() => `${A}:1`));
  });
});

it('gives the transactions of one server, tagged ones too', () => {
  const set = GtidSet.parse(`${A}:1-5:tag:1,${B}:1`);
  expect(set.ofServer(A.toUpperCase()).toString()).toBe(`${A}:1-5:tag:1`);
  expect(set.ofServer('5033fa47-71ca-11e1-9e33-c80aa9429562').isEmpty).toBe(true);
});

/** The same as plain sets of numbers, for comparison: 3 sources, numbers 1 to 24. */
describe('as sets', () => {
  const SOURCES = [A, `${A}:tag`, B];
  const member = fc.record({ source: fc.constantFrom(...SOURCES), gno: fc.integer({ min: 1, max: 24 }) });
  const gtids = fc.array(
    member.map(({ source, gno }) => `${source}:${gno}`),
    { maxLength: 60 },
  );
  const everyGtid = SOURCES.flatMap((source) => Array.from({ length: 24 }, (_, index) => `${source}:${index + 1}`));
  const setOf = (members: readonly string[]): GtidSet => {
    const set = new GtidSet();
    for (const one of members) set.add(one);
    return set;
  };
  const members = (set: GtidSet) => everyGtid.filter((one) => set.contains(one));
  const plain = (all: readonly string[], keep: (one: string) => boolean = () => true) =>
    everyGtid.filter((one) => all.includes(one) && keep(one));

  it('agrees with plain sets', () => {
    fc.assert(
      fc.property(gtids, gtids, (first, second) => {
        const [one, two] = [setOf(first), setOf(second)];
        expect(members(one)).toEqual(plain(first));
        expect(members(one.union(two))).toEqual(plain([...first, ...second]));
        expect(members(one.subtract(two))).toEqual(plain(first, (each) => !second.includes(each)));
        expect(one.isSubsetOf(two)).toBe(first.every((each) => second.includes(each)));
        expect(one.isSubsetOf(one.union(two))).toBe(true);
        expect(one.equals(two)).toBe(String(plain(first)) === String(plain(second)));
        expect(one.isEmpty).toBe(first.length === 0);
      }),
      { numRuns: 500 },
    );
  });

  it('prints one text for one set, however it came about', () => {
    fc.assert(
      fc.property(gtids, (all) => {
        const set = setOf(all);
        const text = set.toString();
        expect(setOf(all.toReversed()).toString()).toBe(text);
        expect(GtidSet.parse(all.join(',')).toString()).toBe(text);
        expect(GtidSet.parse(text).toString()).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
});
