import { describe, expect, it } from '@jest/globals';
import type { BinlogCoordinates } from '../../../src/binlog/binlog.types.js';
import { decideResume, type ServerFacts } from '../../../src/binlog/failover.decision.js';
import { InvalidGtidSetError } from '../../../src/errors.js';

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const B = '4f22fa47-71ca-11e1-9e33-c80aa9429562';
const C = '5033fa47-71ca-11e1-9e33-c80aa9429562';

const seen = (gtidSet: string, more: Partial<BinlogCoordinates> = {}): BinlogCoordinates => ({
  gtidSet,
  file: 'binlog.000007',
  position: 500,
  serverUuid: A,
  ...more,
});
const server = (gtidExecuted: string, more: Partial<ServerFacts> = {}): ServerFacts => ({
  serverUuid: A,
  gtidMode: 'ON',
  gtidExecuted,
  gtidPurged: '',
  binlogs: [
    { file: 'binlog.000006', size: 1_000 },
    { file: 'binlog.000007', size: 800 },
  ],
  ...more,
});
const other: Partial<ServerFacts> = { serverUuid: B, binlogs: [{ file: 'binlog.000001', size: 200 }] };
const gtids = (gtidSet: string) => ({ kind: 'gtid-set', gtidSet });
const place = (file: string, position: number) => ({ kind: 'position', file, position });

describe('where to go on, with GTIDs', () => {
  it.each([
    ['nothing new', server(`${A}:1-5`)],
    ['more on the same server', server(`${A}:1-90`)],
    [
      'purged what was seen, its file too',
      server(`${A}:1-90`, { gtidPurged: `${A}:1-5`, binlogs: [{ file: 'binlog.000009', size: 9 }] }),
    ],
    ['a number that is longer', server(`${A}:1-90`, { binlogs: [{ file: 'binlog.1000000', size: 9 }] })],
    ['the uuid in upper case', server(`${A}:1-5`, { serverUuid: A.toUpperCase() })],
  ])('goes on: %s', (_what, facts) => {
    expect(decideResume(seen(`${A}:1-5`), facts)).toEqual({
      kind: 'resume-by-gtid',
      resume: gtids(`${A}:1-5`),
      verify: null,
    });
  });

  it('goes on at a promoted replica that has everything, and transactions of its own', () => {
    expect(decideResume(seen(`${A}:1-5`), server(`${A}:1-5,${B}:1-2`, other))).toEqual({
      kind: 'resume-by-gtid',
      resume: gtids(`${A}:1-5`),
      verify: expect.stringContaining('fail-over'),
    });
  });

  it('names what was purged unseen, and goes on where the server still can', () => {
    expect(
      decideResume(seen(`${A}:1-5`), server(`${A}:1-20,${B}:1-2`, { ...other, gtidPurged: `${A}:1-8,${B}:1` })),
    ).toEqual({
      kind: 'purged',
      lost: `${A}:6-8,${B}:1`,
      reason: expect.stringContaining(`${A}:6-8,${B}:1`),
      resume: gtids(`${A}:1-8,${B}:1`),
    });
  });

  it('counts a hole that was purged as lost', () => {
    expect(decideResume(seen(`${A}:1-3:5-9`), server(`${A}:1-20`, { gtidPurged: `${A}:1-6` }))).toMatchObject({
      kind: 'purged',
      lost: `${A}:4`,
      resume: gtids(`${A}:1-9`),
    });
  });

  it('a server that lacks what was seen: it is to come again if it comes', () => {
    expect(decideResume(seen(`${A}:1-5,${C}:1-9`), server(`${A}:1-3,${B}:1,${C}:1-9`, other))).toEqual({
      kind: 'errant',
      missing: `${A}:4-5`,
      own: false,
      lost: null,
      reason: expect.stringContaining('behind'),
      resume: gtids(`${A}:1-3,${C}:1-9`),
    });
  });

  it('a server that lacks what was seen, and has purged what was not', () => {
    const facts = server(`${A}:1-3,${B}:1-4`, { ...other, gtidPurged: `${A}:1,${B}:1-2` });
    expect(decideResume(seen(`${A}:1-5`), facts)).toMatchObject({
      kind: 'errant',
      missing: `${A}:4-5`,
      lost: `${B}:1-2`,
      resume: gtids(`${A}:1-3,${B}:1-2`),
    });
  });

  it('a server that lost transactions of its own, tagged ones too', () => {
    expect(decideResume(seen(`${A}:1-5`), server(`${A}:1-3`))).toMatchObject({ kind: 'errant', own: true });
    expect(decideResume(seen(`${A}:1-5:tag:1-2`), server(`${A}:1-9:tag:1`))).toMatchObject({
      kind: 'errant',
      own: true,
      missing: `${A}:tag:2`,
    });
  });

  it.each([
    ['the file ends before', [{ file: 'binlog.000007', size: 499 }]],
    ['the file is not there yet', [{ file: 'binlog.000002', size: 9_999 }]],
    ['there are none', []],
  ])('the same server, whose numbers are used again after a reset: %s', (_what, binlogs) => {
    expect(decideResume(seen(`${A}:1-5`), server(`${A}:1-90`, { binlogs }))).toMatchObject({
      kind: 'errant',
      own: true,
      missing: null,
      resume: gtids(`${A}:1-5`),
    });
  });

  it('does not compare places of another server', () => {
    const binlogs = [{ file: 'binlog.000001', size: 4 }];
    expect(decideResume(seen(`${A}:1-5`), server(`${A}:1-5`, { serverUuid: B, binlogs })).kind).toBe('resume-by-gtid');
  });

  it('refuses sets that cannot be read', () => {
    expect(() => decideResume(seen('nonsense'), server(''))).toThrow(InvalidGtidSetError);
  });
});

describe.each([
  ['the checkpoint has no GTIDs', seen(''), {}],
  ['the server gives none', seen(`${A}:1-5`), { gtidMode: 'OFF' }],
  ['not every transaction has one', seen(`${A}:1-5`), { gtidMode: 'ON_PERMISSIVE' }],
])('where to go on when %s', (_when, checkpoint, mode) => {
  it('goes on in the file, on the same server', () => {
    expect(decideResume(checkpoint, server(`${A}:1-5`, mode))).toEqual({
      kind: 'resume-by-position',
      resume: place('binlog.000007', 500),
    });
  });

  it('begins at the oldest file when its own was purged', () => {
    const binlogs = [
      { file: 'binlog.000010', size: 70 },
      { file: 'binlog.000011', size: 50 },
    ];
    expect(decideResume(checkpoint, server(`${A}:1-5`, { ...mode, binlogs }))).toEqual({
      kind: 'purged',
      lost: null,
      reason: expect.stringContaining('binlog.000007'),
      resume: place('binlog.000010', 4),
    });
  });

  it.each([
    ['another server', other, place('binlog.000001', 200)],
    ['the file ends before', { binlogs: [{ file: 'binlog.000007', size: 499 }] }, place('binlog.000007', 499)],
    ['the file is not there yet', { binlogs: [{ file: 'binlog.000002', size: 30 }] }, place('binlog.000002', 30)],
    ['there is no log', { binlogs: [] }, place('', 4)],
  ])('begins at the end, everything is to be verified: %s', (_what, facts, resume) => {
    expect(decideResume(checkpoint, server(`${A}:1-5`, { ...mode, ...facts }))).toEqual({
      kind: 'errant',
      missing: null,
      own: false,
      lost: null,
      reason: expect.any(String),
      resume,
    });
  });
});
