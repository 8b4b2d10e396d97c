import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Faulty } from '../../support/faulty.js';
import { product } from '../../support/product.js';

// Far above what a busy machine needs for one statement: what is shown is that a start ends, not how soon.
const LIMITS = { startupTimeoutMs: 8_000, writeTimeoutMs: 1_500, statementTimeoutMs: 2_000 };
const INTROSPECTION = { body: /information_schema/i } as const;

/** An application starts while its stores misbehave: it must neither hang nor give up at the first broken connection. */
describe('faults at the start of an application', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('start-faults');
  });
  afterEach(() => faulty.heal());
  afterAll(() => faulty.close());

  const start = () =>
    faulty.instance(
      {},
      {
        module: LIMITS,
        elasticsearchNode: faulty.elasticsearch.url,
        mysql: { host: '127.0.0.1', port: faulty.mysql.port },
      },
    );

  async function expectUsable({ products }: Awaited<ReturnType<typeof start>>): Promise<void> {
    const saved = await products.insert(product());
    expect(await products.findOneBy({ id: saved.id })).toMatchObject({ title: saved.title });
  }

  it.each(['black-hole', 'cut-before', 'cut-after'] as const)('Elasticsearch: %s, once', async (kind) => {
    const fault = faulty.elasticsearch.inject({ kind }, { times: 1 });
    await expectUsable(await start());
    expect(fault.hits).toBe(1);
  });

  it.each(['black-hole', 'cut-before', 'cut-after'] as const)('MySQL: %s, once', async (kind) => {
    const fault = faulty.mysql.inject({ kind }, { ...INTROSPECTION, times: 1 });
    await expectUsable(await start());
    expect(fault.hits).toBe(1);
  });

  it('Elasticsearch stays silent: the start ends with an error', async () => {
    faulty.elasticsearch.inject({ kind: 'black-hole' });
    await expect(start()).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE' });
  });

  it('MySQL stays silent: the start ends with an error', async () => {
    faulty.mysql.inject({ kind: 'black-hole' }, INTROSPECTION);
    await expect(start()).rejects.toMatchObject({ code: 'STATEMENT_TIMEOUT' });
  });
});
