import { describe, expect, it } from '@jest/globals';
import { errors } from '@elastic/elasticsearch';
import { classifyBulkItem, classifyFailure } from '../../src/elasticsearch/outcome.classifier.js';
import { SendFailure } from '../../src/elasticsearch/send.failure.js';
import type { DocumentWrite, IndexOutcome } from '../../src/protocol/outcome.js';

const label = (outcome: IndexOutcome): string => {
  if (outcome.kind !== 'unavailable') return outcome.kind;
  return `${outcome.kind} ${outcome.certain ? 'certain' : 'uncertain'}${outcome.denied ? ', denied' : ''}`;
};

describe('classifyBulkItem', () => {
  const error = (type: string, reason = 'why') => ({ type, reason });
  const done = (result: string, status: number) => ({ _id: 'a', _version: 5, result, status });
  /** As Elasticsearch 9.5 answers. */
  const dropped = {
    _index: 'alias',
    _id: 'a',
    _version: 5,
    result: 'noop',
    _shards: { total: 0, successful: 0, failed: 0 },
    _seq_no: -2,
    _primary_term: 0,
    status: 200,
  };

  it.each<[string, unknown, string]>([
    ['created', { index: done('created', 201) }, 'applied'],
    ['updated', { index: done('updated', 200) }, 'applied'],
    ['deleted', { delete: done('deleted', 200) }, 'applied'],
    ['a delete of nothing takes the slot', { delete: done('not_found', 404) }, 'applied'],
    ['a put cannot be not_found', { index: done('not_found', 404) }, 'unknown'],
    ['dropped by a pipeline', { index: dropped }, 'refused'],
    ['noop with another status', { index: done('noop', 201) }, 'unknown'],
    ['a put without a result', { index: { _id: 'a', _version: 5, status: 200 } }, 'unknown'],
    ['noop of a delete', { delete: dropped }, 'unknown'],
    ['noop of an update', { update: dropped }, 'unknown'],
    ['version conflict', { index: { status: 409, error: error('version_conflict_engine_exception') } }, 'conflict'],
    ['another 409', { index: { status: 409, error: error('resource_already_exists_exception') } }, 'unknown'],
    ['mapping', { index: { status: 400, error: error('document_parsing_exception') } }, 'refused'],
    [
      'read-only index',
      { index: { status: 403, error: error('cluster_block_exception') } },
      'unavailable certain, denied',
    ],
    ['closed index', { index: { status: 400, error: error('index_closed_exception') } }, 'unavailable certain, denied'],
    ['no privilege', { index: { status: 403, error: error('security_exception') } }, 'unavailable certain, denied'],
    ['a 403 without a type', { index: { status: 403, error: {} } }, 'unknown'],
    ['missing index', { delete: { status: 404, error: error('index_not_found_exception') } }, 'refused'],
    ['missing shard', { delete: { status: 404, error: error('shard_not_found_exception') } }, 'unknown'],
    ['busy', { index: { status: 429, error: error('es_rejected_execution_exception') } }, 'unavailable uncertain'],
    ['shards away', { index: { status: 503, error: error('unavailable_shards_exception') } }, 'unavailable uncertain'],
    ['408', { index: { status: 408, error: error('timeout') } }, 'unknown'],
    ['500', { index: { status: 500, error: error('illegal_state_exception') } }, 'unknown'],
    ['an error without a type', { index: { status: 400, error: {} } }, 'unknown'],
    ['an error as text', { index: { status: 400, error: 'no' } }, 'unknown'],
    ['a failure without an error', { index: { status: 400 } }, 'unknown'],
    ['no status', { index: { result: 'created' } }, 'unknown'],
    ['two in one', { index: done('created', 201), delete: done('deleted', 200) }, 'unknown'],
    ['empty', {}, 'unknown'],
    ['null', null, 'unknown'],
    ['text', 'created', 'unknown'],
    ['null inside', { index: null }, 'unknown'],
  ])('%s', (_name, item, expected) => {
    expect(label(classifyBulkItem(item))).toBe(expected);
  });

  it.each<[string, DocumentWrite, string]>([
    ['our write', { id: 'a', version: 5, body: '{}' }, 'applied'],
    ['another document', { id: 'b', version: 5, body: '{}' }, 'unknown'],
    ['another version', { id: 'a', version: 6, body: '{}' }, 'unknown'],
    ['another operation', { id: 'a', version: 5, body: null }, 'unknown'],
  ])('is about %s', (_name, write, expected) => {
    expect(label(classifyBulkItem({ index: done('created', 201) }, write))).toBe(expected);
    // Dropped: refused in the place of applied.
    const refused = expected === 'applied' ? 'refused' : expected;
    expect(label(classifyBulkItem({ index: dropped }, write, 'alias'))).toBe(refused);
  });

  it('does not believe an index that took the name of the alias', () => {
    const write = { id: 'a', version: 5, body: '{}' };
    const item = { index: { ...done('created', 201), _index: 'films' } };
    expect(label(classifyBulkItem(item, write, 'films'))).toBe('unknown');
    expect(label(classifyBulkItem(item, write, 'movies'))).toBe('applied');
  });

  it('shortens the reason, so that it carries no document away', () => {
    const item = { index: { status: 400, error: error('document_parsing_exception', 'x'.repeat(10_000)) } };
    const outcome = classifyBulkItem(item) as Extract<IndexOutcome, { kind: 'refused' }>;
    expect(outcome).toMatchObject({ kind: 'refused', status: 400, type: 'document_parsing_exception' });
    expect(outcome.reason).toHaveLength(500);
  });
});

type Meta = ConstructorParameters<typeof errors.ResponseError>[0];
const meta = (fields: object = {}): Meta => ({ headers: {}, warnings: null, meta: { attempts: 0 }, ...fields }) as Meta;
const response = (statusCode: number, body: unknown): Error => new errors.ResponseError(meta({ statusCode, body }));
const own = (status: number, type = 'some_exception') => response(status, { error: { type, reason: 'why' }, status });
const connection = (message: string): Error => new errors.ConnectionError(message, meta());
const coded = (code: string, fields: object = {}): Error => Object.assign(new Error(code), { code, ...fields });

describe('classifyFailure', () => {
  it.each<[string, unknown, string]>([
    ...[400, 404, 405, 406, 413].map((status): [string, unknown, string] => [
      `its own ${status}`,
      own(status),
      'refused',
    ]),
    ['its own 401', own(401, 'security_exception'), 'unavailable certain, denied'],
    ['its own 403', own(403, 'security_exception'), 'unavailable certain, denied'],
    ['its own 408', own(408), 'unknown'],
    ['its own 409', own(409), 'unknown'],
    ['its own 429', own(429), 'unavailable certain'],
    ['its own 500', own(500), 'unknown'],
    ['its own 502', own(502), 'unknown'],
    ['its own 503', own(503), 'unavailable uncertain'],
    ['its own 504', own(504), 'unknown'],
    ['its own 405 as text', response(405, { error: 'Incorrect HTTP method', status: 405 }), 'refused'],
    ['a body that contradicts its status', response(404, { error: { type: 't' }, status: 400 }), 'unknown'],
    ...[400, 405, 413, 414, 431].map((status): [string, unknown, string] => [
      `a proxy's ${status}`,
      response(status, '<html>'),
      'refused',
    ]),
    ["a proxy's 401", response(401, '<html>'), 'unavailable certain, denied'],
    ["a proxy's 407", response(407, '<html>'), 'unavailable certain, denied'],
    ["a proxy's 429", response(429, ''), 'unavailable certain'],
    ...[403, 404, 408, 409, 418, 500, 502, 503, 504].map((status): [string, unknown, string] => [
      `a proxy's ${status}`,
      response(status, '<html>'),
      'unknown',
    ]),
    ['JSON from a proxy', response(503, { message: 'no healthy upstream' }), 'unknown'],
  ])('answer: %s', (_name, error, expected) => {
    expect(label(classifyFailure(error))).toBe(expected);
    expect(label(classifyFailure(new SendFailure('failed', 'sent', error)))).toBe(expected);
  });

  it.each<[string, unknown]>([
    ['refused', connection('connect ECONNREFUSED 127.0.0.1:9200')],
    ['refused, IPv6', connection('connect ECONNREFUSED ::1:9200')],
    ['no such host', connection('getaddrinfo ENOTFOUND search.invalid')],
    ['resolver busy', connection('getaddrinfo EAI_AGAIN search')],
    ['no route', connection('connect EHOSTUNREACH 10.0.0.1:9200')],
    ['no network', connection('connect ENETUNREACH 10.0.0.1:9200 - Local (0.0.0.0:0)')],
    ['connect timeout', connection('Connect Timeout Error (attempted address: 10.0.0.1:9200, timeout: 10000ms)')],
    ['TLS handshake', connection('Client network socket disconnected before secure TLS connection was established')],
    ['no node left', new errors.NoLivingConnectionsError('none', meta())],
    ['a code', coded('ECONNREFUSED')],
    ['a code below', Object.assign(connection('failed'), { cause: coded('UND_ERR_CONNECT_TIMEOUT') })],
    ['connect ETIMEDOUT', coded('ETIMEDOUT', { syscall: 'connect' })],
    ['both addresses refused', new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')], '')],
  ])('never connected: %s', (_name, error) => {
    expect(label(classifyFailure(error))).toBe('unavailable certain');
    expect(label(classifyFailure(new SendFailure('failed', 'untraced', error)))).toBe('unavailable certain');
  });

  it.each<[string, unknown]>([
    ['name', connection("Hostname/IP does not match certificate's altnames: Host: a. is not in b")],
    ['self-signed', connection('self-signed certificate in certificate chain')],
    ['unknown CA', connection('unable to verify the first certificate')],
    ['expired', connection('certificate has expired')],
    ['a code below', Object.assign(connection('failed'), { cause: coded('SELF_SIGNED_CERT_IN_CHAIN') })],
  ])('a certificate that is not accepted (%s): a person must act', (_name, error) => {
    expect(label(classifyFailure(error))).toBe('unavailable certain, denied');
    expect(label(classifyFailure(new SendFailure('failed', 'never-sent', error)))).toBe('unavailable certain, denied');
    // A proxy that quotes it says nothing about how far a request got.
    expect(label(classifyFailure(new SendFailure('failed', 'sent', error)))).toBe('unknown');
  });

  it.each<[string, unknown]>([
    ['reset', connection('read ECONNRESET')],
    ['closed', connection('other side closed - Local: 127.0.0.1:1, Remote: 127.0.0.1:2')],
    ['hang up', connection('socket hang up - Local: unknown:unknown, Remote: unknown:unknown')],
    ['broken pipe', connection('write EPIPE')],
    ['no message', connection('')],
    ['only a URL', connection('connection failed (http://localhost:9200/)')],
    ['the words elsewhere', connection('proxy says: connect ECONNREFUSED 10.0.0.1:9200')],
    ['one address may have answered', new AggregateError([coded('ECONNREFUSED'), coded('ECONNRESET')], '')],
    ['read ETIMEDOUT', coded('ETIMEDOUT', { syscall: 'read' })],
    ['timeout', new errors.TimeoutError('Request timed out', meta())],
    ['aborted', new errors.RequestAbortedError('Request aborted', meta())],
    ['unreadable', new errors.DeserializationError('Unexpected token', '<html>')],
    ['another product', new errors.ProductNotSupportedError('Elasticsearch', meta())],
    [
      'after a retry',
      new errors.ConnectionError('connect ECONNREFUSED 127.0.0.1:9200', meta({ meta: { attempts: 1 } })),
    ],
    ['refused after a retry', new errors.ResponseError(meta({ statusCode: 401, body: '', meta: { attempts: 1 } }))],
    ['text', 'failed'],
    ['nothing', undefined],
    ['null', null],
    ['a message from elsewhere', new Error('connect ECONNREFUSED 127.0.0.1:9200')],
  ])('may have been sent: %s', (_name, error) => {
    expect(label(classifyFailure(error))).toBe('unknown');
    expect(label(classifyFailure(new SendFailure('failed', 'sent', error)))).toBe('unknown');
  });

  it('believes the proof of the HTTP layer more than any message', () => {
    const empty = connection('');
    expect(label(classifyFailure(new SendFailure('', 'never-sent', empty)))).toBe('unavailable certain');
    expect(label(classifyFailure(new SendFailure('no answer within 5 ms', 'never-sent')))).toBe('unavailable certain');
    expect(label(classifyFailure(new SendFailure('no answer within 5 ms', 'untraced')))).toBe('unknown');
    // Something below the client tried twice: the first try may have landed.
    const second = connection('connect ECONNREFUSED 127.0.0.1:9200');
    expect(label(classifyFailure(new SendFailure('', 'sent', second)))).toBe('unknown');
  });

  it('keeps the cause and a short reason', () => {
    const error = connection(`read ECONNRESET ${'x'.repeat(5_000)}`);
    const outcome = classifyFailure(error) as Extract<IndexOutcome, { kind: 'unknown' }>;
    expect(outcome.cause).toBe(error);
    expect(outcome.reason).toHaveLength(500);
    expect(classifyFailure(own(400))).toEqual({ kind: 'refused', status: 400, type: 'some_exception', reason: 'why' });
  });
});
