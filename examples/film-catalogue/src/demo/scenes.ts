import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultProxy } from 'nest-consistent/testing';
import type { Answer, CatalogueProcess, Settled } from './catalogue.process.js';
import type { PickedFilm, StoreView } from './store.view.js';
import type { StoryPrinter } from './story.printer.js';

/** Everything a scene works with. */
export interface Stage {
  readonly app: CatalogueProcess;
  /** A second instance of the application, to be killed. */
  readonly startAnother: () => Promise<CatalogueProcess>;
  readonly proxy: FaultProxy;
  readonly stores: StoreView;
  readonly printer: StoryPrinter;
}

const BULK = { path: '/_bulk', times: 1 } as const;
/** Far longer than anybody waits. */
const NEVER_MS = 600_000;
const LANDED_TIMEOUT_MS = 30_000;

/** 1: Elasticsearch takes the write, its answer does not come in time. */
export async function timedOutAndLanded(stage: Stage, film: PickedFilm): Promise<void> {
  const { app, proxy, printer } = stage;
  printer.heading('1  A write that timed out, and had landed');
  printer.say('The proxy lets the request through and keeps the answer.');
  const title = `${film.title} (remastered)`;
  proxy.inject({ kind: 'delay', answerMs: NEVER_MS }, BULK);
  await patch(stage, film, { title }, 504);
  await showStores(stage, film);
  const read = await showReader(stage, film);
  await showSettled(stage, film, await app.nextSettled());
  printer.check(read.body.title === title, 'the write had happened, so the reader was given it, and the row says so');
}

/** 2: The request is stuck on its way, is given up, and arrives long after the write was settled. */
export async function timedOutAndLate(stage: Stage, film: PickedFilm): Promise<void> {
  const { app, proxy, stores, printer } = stage;
  printer.heading('2  A write that timed out, had not landed, and arrives late');
  printer.say('The proxy holds the request back. Nobody can know yet whether it will ever arrive.');
  proxy.inject({ kind: 'hold' }, BULK);
  await patch(stage, film, { title: `${film.title} (lost on the way)` }, 504);
  await showStores(stage, film);
  const read = await showReader(stage, film);
  printer.check(
    read.body.title === film.title,
    'undecided is not visible: the reader gets the film as the index has it',
  );
  printer.say('When the deadline has passed, the sweeper takes the slot: the previous film, marked.');
  await showSettled(stage, film, await app.nextSettled());
  const settled = await stores.document(film.id);
  printer.say(
    `Now the proxy delivers what it held (${await proxy.release()} request). It comes too late: the version is taken.`,
  );
  const late = await stores.document(film.id);
  printer.document(late);
  const unchanged = late.version === settled.version && late.title === film.title && late.marker === late.version;
  printer.check(unchanged, 'the late write lost, and changed nothing');
}

/** 3: MySQL can hold the value, the index cannot. */
export async function refusedByMapping(stage: Stage, film: PickedFilm): Promise<void> {
  const { stores, printer } = stage;
  printer.heading('3  A write that the mapping refuses');
  printer.say('40,000 minutes fit into the column (INT), but not into the field (short).');
  const before = await stores.row(film.id);
  const answer = await patch(stage, film, { runningTimeMinutes: 40_000 }, 422);
  printer.fact('', cut(textOf(answer.body.message), 80));
  await showStores(stage, film);
  await showReader(stage, film);
  const after = await stores.row(film.id);
  printer.fact('settled', 'by the writer itself, at once: it put the row back');
  const restored = after.state === 'commit' && after.runningTimeMinutes === before.runningTimeMinutes;
  const minutes = before.runningTimeMinutes === null ? 'unknown' : `${before.runningTimeMinutes} minutes`;
  printer.check(restored, `the running time is what it was (${minutes}); neither store keeps the refused one`);
}

/** 4: The index has it, and the process that should have said so to MySQL is dead. */
export async function killedBeforeCommit(stage: Stage, film: PickedFilm): Promise<void> {
  const { app, proxy, printer } = stage;
  printer.heading('4  A process killed between index and commit');
  const victim = await stage.startAnother();
  const title = `${film.title} (director's cut)`;
  const seen = proxy.requests.length;
  proxy.inject({ kind: 'delay', answerMs: NEVER_MS }, BULK);
  printer.say(`A second instance of the application (pid ${victim.pid}) writes; Elasticsearch has taken the document.`);
  const writing = victim.request('PATCH', `/films/${film.id}`, { title });
  await landed(proxy, seen);
  await victim.kill();
  const answer = await writing;
  showRequest(printer, film, { title });
  printer.fact('kill -9', `its client sees ${cut(textOf(answer.body.message), 60)}`);
  await showStores(stage, film);
  printer.say('Now an old route of the other instance, plain TypeORM under the ReadRepairInterceptor:');
  const path = `/films/by-director?name=${encodeURIComponent(film.director)}`;
  const { body } = await app.request('GET', path);
  const found = Array.isArray(body) ? (body as Answer['body'][]).find(({ id }) => id === film.id) : undefined;
  printer.reader(found ?? {});
  await showSettled(stage, film, await app.nextSettled());
  printer.check(
    found?.title === title,
    'nobody who remembers the write is left, and it was neither lost nor half done',
  );
}

async function patch({ app, printer }: Stage, film: PickedFilm, changes: object, expected: number): Promise<Answer> {
  const answer = await app.request('PATCH', `/films/${film.id}`, changes);
  showRequest(printer, film, changes);
  printer.fact('answer', `${answer.status} ${textOf(answer.body.code)} after ${answer.seconds.toFixed(1)} s`);
  if (answer.status !== expected)
    printer.check(false, `the answer should be ${expected}: ${textOf(answer.body.message)}`);
  return answer;
}

function showRequest(printer: StoryPrinter, film: PickedFilm, changes: object): void {
  printer.fact('request', cut(`PATCH /films/${film.id} ${JSON.stringify(changes)}`, 80));
}

async function showStores({ stores, printer }: Stage, film: PickedFilm): Promise<void> {
  printer.row(await stores.row(film.id));
  printer.document(await stores.document(film.id));
}

async function showReader({ app, printer }: Stage, film: PickedFilm): Promise<Answer> {
  const answer = await app.request('GET', `/films/${film.id}`);
  printer.reader(answer.body);
  return answer;
}

/** By whom, as the library itself reported it, and what both stores hold then. */
async function showSettled(stage: Stage, film: PickedFilm, settled: Settled | null): Promise<void> {
  const { printer } = stage;
  if (!settled) return printer.check(false, 'nothing settled the row in time');
  const who = { read: 'read repair', sweep: 'the sweeper', write: 'a writer', operator: 'an operator' }[settled.by];
  const what = settled.verdict === 'commit' ? 'committed: the write happened' : 'restored: the write did not happen';
  printer.fact('settled', `by ${printer.style('bold', who)}, ${what}`);
  await showStores(stage, film);
}

/** Waits until Elasticsearch has answered a bulk request that came after the first `seen` ones. */
async function landed(proxy: FaultProxy, seen: number): Promise<void> {
  const giveUpAt = performance.now() + LANDED_TIMEOUT_MS;
  const answered = () => proxy.requests.slice(seen).some((request) => request.fault === 'delay' && request.status);
  while (!answered()) {
    if (performance.now() > giveUpAt) throw new Error('Elasticsearch did not take the write in time');
    await sleep(5);
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? '');
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
