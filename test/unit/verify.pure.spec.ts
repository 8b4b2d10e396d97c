import { describe, expect, it } from '@jest/globals';
import { canonicalJson } from '../../src/verify/canonical.json.js';
import { decideDifference } from '../../src/verify/difference.decision.js';
import { type DocumentView, memberText, scanDocuments } from '../../src/verify/document.scanner.js';

describe('canonical JSON', () => {
  it.each([
    ['{"b":1,"a":[true,null,"x"]}', ' { "a" : [ true , null , "x" ] , "b" : 1 } '],
    ['{"n":1.50}', '{"n":15e-1}'],
    ['[0,-0,0.0,0e9]', '[0,0,0,0]'],
    ['[1200]', '[1.2e3]'],
    ['"\\u00e4\\/"', '"ä/"'],
    ['{"a":1,"a":2}', '{"a":2}'],
    ['{}', ' {\n} '],
    ['[]', '[ ]'],
  ])('%s says the same as %s', (one, other) => {
    expect(canonicalJson(one)).toBe(canonicalJson(other));
  });

  it.each([
    ['9007199254740993', '9007199254740992'],
    ['0.1', '0.10000000000000000001'],
    ['1', '"1"'],
    ['-1', '1'],
    ['{"a":null}', '{}'],
    ['[1,2]', '[2,1]'],
    ['1e400', '1e401'],
  ])('%s is not %s', (one, other) => {
    expect(canonicalJson(one)).not.toBe(canonicalJson(other));
  });

  it.each(['', '{', '{"a"}', '[1,]', '1 2', 'nul', '{"a":1,}'])('%s is no JSON', (text) => {
    expect(() => canonicalJson(text)).toThrow(SyntaxError);
  });
});

describe('comparing an answer as text', () => {
  const doc = (id: string, source: string, version = 7, index = 'films-1') =>
    `{"_index":"${index}","_id":${JSON.stringify(id)},"_version":${version},"_seq_no":3,"_primary_term":1,"found":true,"_source":${source}}`;
  const scan = (docs: string[], ids: string[], expected: (string | null)[]) =>
    scanDocuments(`{"docs":[${docs.join(',')}]}`, 'films', ids, expected);
  const same = { found: true, version: 7, restored: null, content: 'same' };

  it('the same letters', () => {
    expect(scan([doc('1', '{"a":"}\\""}'), doc('2', '{}')], ['1', '2'], ['{"a":"}\\""}', '{}'])).toEqual([same, same]);
  });

  it('the same meaning in other letters, and an id that needs escaping', () => {
    expect(scan([doc('1', '{ "b": 1, "a": 2.0 }')], ['1'], ['{"a":2,"b":1}'])).toEqual([same]);
    expect(scan([doc('a"b\\', '{"a":1}')], ['a"b\\'], ['{"a":1}'])).toEqual([same]);
  });

  it.each(['{"a":1', '{"a":12}', '{"a":1,"b":2}', '{"a":9007199254740993}'])('other contents: %s', (expected) => {
    const whole = expected.endsWith('}') ? expected : `${expected},"c":0}`;
    const stored = expected.includes('900') ? '{"a":9007199254740992}' : '{"a":1}';
    expect(scan([doc('1', stored)], ['1'], [whole])).toEqual([{ ...same, content: 'different' }]);
  });

  it('a marked document, its own contents aside from the marker', () => {
    const marked = '{"consistency_restored":7,"a":1}';
    expect(scan([doc('1', marked)], ['1'], ['{"a":1}'])).toEqual([{ ...same, restored: 7 }]);
    expect(scan([doc('1', marked)], ['1'], ['{"a":2}'])).toEqual([{ ...same, restored: 7, content: 'different' }]);
    expect(scan([doc('1', '{"consistency_restored":7}')], ['1'], ['{}'])).toEqual([{ ...same, restored: 7 }]);
    expect(scan([doc('1', '{"a":1,"consistency_restored":7}')], ['1'], ['{"a":1}'])).toEqual([
      { ...same, restored: 7 },
    ]);
  });

  it('not found between others, and nothing to compare with', () => {
    const missing = '{"_index":"films-1","_id":"2","found":false}';
    expect(scan([doc('1', '{"a":1}'), missing, doc('3', '{"a":1}')], ['1', '2', '3'], ['{"a":1}', '{}', null])).toEqual(
      [same, { found: false }, { ...same, content: 'unread' }],
    );
  });

  it('says why a document tells nothing: an error, another id, an index under the alias name', () => {
    const error = '{"_index":"films","_id":"1","error":{"type":"index_not_found_exception","reason":"no such index"}}';
    expect(scan([error], ['1'], ['{}'])).toEqual([expect.stringContaining('index_not_found_exception')]);
    expect(scan([doc('2', '{}')], ['1'], ['{}'])).toEqual([expect.stringContaining('unreadable')]);
    expect(scan([doc('1', '{}', 7, 'films')], ['1'], ['{}'])).toEqual([expect.stringContaining('not an alias')]);
  });

  it('an answer that breaks off, or has too few documents, is none', () => {
    expect(() => scanDocuments('{"docs":[{"_index":"x","_id', 'films', ['1'], ['{}'])).toThrow(SyntaxError);
    expect(() => scan([doc('1', '{}')], ['1', '2'], ['{}', '{}'])).toThrow(SyntaxError);
    expect(() => scanDocuments('<html>', 'films', ['1'], ['{}'])).toThrow(SyntaxError);
  });

  it('finds a member as it stands', () => {
    expect(memberText('{"a":[1,{"b":"]"}],"_source":{"x":1.0},"c":true}', '_source')).toBe('{"x":1.0}');
    expect(memberText('{"c":true,"d":null}', 'd')).toBe('null');
    expect(memberText('{}', 'a')).toBeUndefined();
  });
});

describe('how a row and its document differ', () => {
  const row = { version: 10, presence: 'present' } as const;
  const document = (
    version: number,
    content: 'same' | 'different' | 'unread',
    restored: number | null = null,
  ): DocumentView => ({ found: true, version, content, restored });

  it.each([
    [row, { found: false }, 'missing'],
    [row, document(10, 'same'), null],
    [row, document(10, 'same', 10), null],
    [row, document(9, 'same'), null],
    [row, document(11, 'same', 11), null],
    [row, document(11, 'same'), 'foreign'],
    [row, document(11, 'same', 10), 'foreign'],
    [row, document(10, 'different'), 'stale'],
    [row, document(9, 'different'), 'stale'],
    [row, document(11, 'different', 11), 'foreign'],
    [row, document(10, 'unread'), null],
    [row, document(9, 'unread'), 'stale'],
    [row, document(11, 'unread', 11), null],
    [row, document(11, 'unread'), 'foreign'],
    [{ ...row, presence: 'absent' }, document(10, 'unread'), 'orphaned'],
    [{ ...row, presence: 'absent' }, { found: false }, null],
    [null, document(1, 'unread'), 'orphaned'],
    [null, { found: false }, null],
  ] as const)('%j and %j: %s', (compared, seen, verdict) => {
    expect(decideDifference(compared, seen)).toBe(verdict);
  });
});
