import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '@elastic/elasticsearch';
import { compareStores, type Difference, summaryOf } from '../../examples/film-catalogue/src/comparison/comparison.js';
import { cleanFilms, NO_TITLE, readVegaFilms } from '../../examples/film-catalogue/src/import/vega.films.js';
import { DemoRun } from '../support/demo.run.js';

const FILMS = 120;
const RUN_TIMEOUT_MS = 240_000;

/** The demo as a user runs it, on the run's servers, and what its comparison finds. */
describe('npm run demo', () => {
  let demo: DemoRun;
  const client = new Client({ node: process.env.ELASTICSEARCH_URL! });
  const onCleanup: (() => Promise<unknown>)[] = [() => client.close()];

  beforeAll(async () => {
    demo = DemoRun.start(['--films', String(FILMS), '--keep']);
    onCleanup.push(() => demo.end());
    await demo.said('running until Ctrl-C');
  }, RUN_TIMEOUT_MS);
  afterAll(async () => {
    for (const cleanup of onCleanup.toReversed()) await cleanup();
  }, RUN_TIMEOUT_MS);

  const stores = () => ({ ...demo.stores(), chunkSize: 50 });

  async function compare(): Promise<{ sum: string; found: Difference[] }> {
    const found: Difference[] = [];
    const result = await compareStores({ ...stores(), onDifference: (difference) => found.push(difference) });
    return { sum: summaryOf(result), found };
  }

  async function stored(id: string): Promise<{ version: number; source: Record<string, unknown> }> {
    const { index } = stores();
    const { _version, _source } = await client.get<Record<string, unknown>>({ index, id });
    return { version: _version!, source: _source! };
  }

  async function put(id: string, version: number, source: Record<string, unknown>): Promise<void> {
    const { index } = stores();
    await client.index({ index, id, version, version_type: 'external_gte', document: source });
  }

  it('tells all four faults, each with the settler that mended it, in lines of at most 100 characters', () => {
    const { output } = demo;
    expect(output).not.toContain('NOT SO');
    expect(output.match(/504 OUTCOME_UNKNOWN/g)).toHaveLength(2);
    expect(output).toContain('422 INDEX_REJECTED');
    expect(output).toContain('kill -9');
    expect(output).toContain('by the sweeper, restored');
    expect(output).toMatch(/by (read repair|the sweeper), committed/);
    expect(output.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(output).not.toContain('\u001B');
  });

  it('ends in a complete comparison without a difference', () => {
    expect(demo.output).toContain(`\n${FILMS} rows, ${FILMS} documents, 0 different\n`);
  });

  it('serves the search page and the HTTP API', async () => {
    const page = await fetch(demo.url());
    expect(await page.text()).toContain('<h1>Film catalogue</h1>');
    const found = (await (await fetch(`${demo.url()}films?q=mockinbird`)).json()) as { films: { title: string }[] };
    expect(found.films.map(({ title }) => title)).toContain('To Kill A Mockingbird');
    expect((await fetch(`${demo.url()}films/1x`)).status).toBe(400);
    expect((await fetch(`${demo.url()}films/999999`)).status).toBe(404);
  });

  it('finds a changed, a missing, a foreign and a too new document, and a wrong marker', async () => {
    const whole = `${FILMS} rows, ${FILMS} documents, 0 different`;
    expect(await compare()).toEqual({ sum: whole, found: [] });
    const { index } = stores();
    const [one, two, three, four] = await Promise.all(['1', '2', '3', '4'].map(stored));
    await put('1', one!.version, { ...one!.source, title: 'Somebody was here' });
    await put('2', two!.version + 1, two!.source);
    await put('3', three!.version, { ...three!.source, consistency_restored: 5 });
    await client.delete({ index, id: '4', version: four!.version, version_type: 'external_gte' });
    await put('99999', 7, { ...four!.source, id: '99999' });
    await put('second-of-1', 7, one!.source);
    const { sum, found } = await compare();
    expect(sum).toBe(`${FILMS} rows, ${FILMS + 1} documents, 6 different`);
    expect(found.map(({ id, what }) => `${id}: ${what}`).toSorted()).toEqual([
      '1: content',
      '2: version',
      '3: content',
      '4: no document',
      '99999: no row',
      'second-of-1: no row',
    ]);
    expect(found.find(({ id }) => id === '1')!.detail).toContain('title is "Somebody was here" and should be "');
  });

  it('leaves nothing behind after Ctrl-C', async () => {
    const { index } = stores();
    expect(await demo.end()).toBe(0);
    expect(await client.indices.exists({ index })).toBe(false);
    await expect(fetch(demo.url())).rejects.toThrow();
  });

  it(
    'reports a document that was changed behind the library, and exits 1',
    async () => {
      const broken = DemoRun.start(['--films', '100', '--falsify']);
      onCleanup.push(() => broken.end());
      expect(await broken.ended).toBe(1);
      expect(broken.output).toContain('title is "Somebody was here" and should be "');
      expect(broken.output.trimEnd().split('\n').at(-1)).toBe('100 rows, 100 documents, 1 different');
    },
    RUN_TIMEOUT_MS,
  );
});

describe('the import of the films', () => {
  it('leaves none out, and says what it changed and what is missing', async () => {
    const raw = await readVegaFilms();
    const { films, cleaning } = cleanFilms(raw);
    expect(films).toHaveLength(3_201);
    expect(cleaning.changes).toEqual({
      'title was a number': 9,
      'had no title': 1,
      'title had misread letters': 18,
      'release was a century late': 22,
    });
    expect(cleaning.missing[0]).toEqual({ property: 'usDvdSales', films: 2_637 });
    const titled = (title: string) => films.find((film) => film.title === title);
    expect(titled('Gone with the Wind')).toMatchObject({ releasedOn: '1939-12-15' });
    expect(titled('1941')).toMatchObject({ importNotes: ['title was a number'] });
    expect(titled('Amélie') ?? titled("Le Fabuleux destin d'Amélie Poulain")).toBeDefined();
    expect(titled('Alien³')).toMatchObject({ importNotes: null });
    expect(titled(NO_TITLE)).toMatchObject({ releasedOn: '2006-11-03' });
    expect(films.every((film) => film.releasedOn! < '2012')).toBe(true);
  });
});
