import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { FaultProxy } from 'nest-consistent/testing';
import { compareStores, summaryOf } from '../comparison/comparison.js';
import { differenceLines, MAX_SHOWN } from '../comparison/difference.lines.js';
import { CatalogueProcess } from './catalogue.process.js';
import { killedBeforeCommit, refusedByMapping, timedOutAndLanded, timedOutAndLate } from './scenes.js';
import { StoreView } from './store.view.js';
import { StoryPrinter } from './story.printer.js';

export interface StoryOptions {
  /** Servers, without a database's name. */
  readonly mysqlUrl: string;
  readonly elasticsearchUrl: string;
  /** How many films are imported; undefined takes all. */
  readonly films: number | undefined;
  /** Changes a document behind the library's back before the comparison, to see it found. */
  readonly falsify: boolean;
  /** True once nobody wants to hear the rest. */
  readonly isOver: () => boolean;
  /** Called with what must be undone at the end, however it comes; the last one first. */
  readonly onCleanup: (cleanup: () => Promise<void>) => void;
}

export interface StoryEnd {
  readonly exitCode: number;
  /** Where the application answers. */
  readonly url: string;
  /** The environment that the application runs in. */
  readonly env: Readonly<Record<string, string>>;
}

const WRITE_TIMEOUT_MS = 2_000;
const DEADLINE_MS = 5_000;
/** Chunks of 200 films right after the servers' start, on a machine that may be busy: nothing here is to be decided soon. */
const IMPORT_LIMITS = { WRITE_TIMEOUT_MS: '10000', DEADLINE_MS: '25000' };

/** Something that ends the demo and needs no stack to be understood. */
class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
}

/** Import, four faults, comparison. Needs running servers; prints to stdout. */
export async function tellStory(options: StoryOptions): Promise<StoryEnd> {
  const printer = new StoryPrinter(options.isOver);
  const stores = await StoreView.create(options.mysqlUrl, options.elasticsearchUrl);
  options.onCleanup(() => stores.drop());
  const env = {
    MYSQL_URL: stores.mysqlUrl,
    ELASTICSEARCH_URL: options.elasticsearchUrl,
    FILMS_INDEX: stores.index,
    PORT: '0',
    WRITE_TIMEOUT_MS: String(WRITE_TIMEOUT_MS),
    DEADLINE_MS: String(DEADLINE_MS),
  };
  printer.heading('Import: the films of vega-datasets, through the library (saveMany)');
  await importFilms(env, options);
  const proxy = new FaultProxy(options.elasticsearchUrl);
  await proxy.start();
  options.onCleanup(() => proxy.stop());
  const instance = await startInstances(proxy, env, options);
  const app = await instance();
  printer.heading('The application');
  printer.fact('listens at', app.url);
  printer.fact('talks to', `Elasticsearch through a proxy that can break things (${proxy.url})`);
  printer.fact('waits', `${WRITE_TIMEOUT_MS} ms for a write; after ${DEADLINE_MS} ms anybody may settle it`);
  const [first, second, third, fourth] = await stores.bestKnown(4);
  if (!fourth) throw new DemoFailure('too few films for the story: take --films 100 or more');
  const stage = { app, startAnother: instance, proxy, stores, printer };
  await timedOutAndLanded(stage, first!);
  await timedOutAndLate(stage, second!);
  await refusedByMapping(stage, third!);
  await killedBeforeCommit(stage, fourth);
  if (options.falsify) {
    await stores.falsify(third!.id);
    printer.line();
    printer.say(`As you asked: document ${third!.id} was changed behind the library's back.`);
  }
  const same = await compare(stores, options.elasticsearchUrl, printer);
  return { exitCode: same && printer.failed === 0 ? 0 : 1, url: app.url, env };
}

async function startInstances(proxy: FaultProxy, env: Record<string, string>, { onCleanup }: StoryOptions) {
  return async () => {
    const instance = await CatalogueProcess.start({ ...process.env, ...env, ELASTICSEARCH_URL: proxy.url });
    onCleanup(() => instance.stop());
    return instance;
  };
}

/** Its own process, as a team would run it; it prints for itself. */
async function importFilms(env: Record<string, string>, { films, onCleanup }: StoryOptions): Promise<void> {
  const main = fileURLToPath(new URL('../import/import.main.js', import.meta.url));
  const limit = films === undefined ? [] : ['--films', String(films)];
  const child = spawn(process.execPath, [main, ...limit], {
    env: { ...process.env, ...env, ...IMPORT_LIMITS },
    stdio: 'inherit',
  });
  onCleanup(async () => void child.kill('SIGKILL'));
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (code !== 0) throw new DemoFailure(`the import ended with ${code ?? signal}`);
}

async function compare(stores: StoreView, elasticsearchUrl: string, printer: StoryPrinter): Promise<boolean> {
  printer.heading('Comparison: every row with every document, all fields and versions');
  let shown = 0;
  const result = await compareStores({
    mysqlUrl: stores.mysqlUrl,
    elasticsearchUrl,
    index: stores.index,
    onDifference: (difference) => {
      if (shown++ < MAX_SHOWN) for (const line of differenceLines(difference)) printer.line(printer.style('red', line));
    },
  });
  if (shown > MAX_SHOWN) printer.say(`… and ${shown - MAX_SHOWN} more`);
  if (printer.failed > 0) printer.say(printer.style('red', `${printer.failed} things in the story were not as told`));
  if (result.ahead > 0) {
    const rows = result.ahead === 1 ? '1 row is' : `${result.ahead} rows are`;
    printer.say(`${rows} at a later version than the very same document: the refused write, put back.`);
  }
  printer.line(printer.style('bold', summaryOf(result)));
  return result.different === 0;
}
