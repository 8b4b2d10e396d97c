import {
  type ConsistentError,
  type ConsistentModuleOptions,
  ConsistentService,
  type ReindexOptions,
  type ReindexResult,
} from '../../../src/index.js';
import { Product, product, productRepository } from '../../support/product.js';
import { type ProcessSettings, settingsOfParent, startProducts } from '../../support/product.process.js';

/** What the parent tells an instance first. */
export interface InstanceSettings extends ProcessSettings {
  module: Partial<ConsistentModuleOptions>;
}

export type InstanceCommand =
  | { kind: 'write'; lanes: number }
  | { kind: 'stop' }
  | { kind: 'reindex'; options: ReindexOptions; dieAt?: string }
  | { kind: 'update'; id: string; title: string };

/** The last acknowledged state of one row: null where it was removed. `doubt`: a later write ended in an error. */
export interface LaneRow {
  id: string;
  title: string | null;
  doubt: boolean;
}

export type InstanceReport =
  | { written: LaneRow[]; acknowledged: number; errors: Record<string, number>; longestMs: number }
  | { reindexed: ReindexResult }
  | { failed: { code: string; message: string } }
  | { step: string }
  | { updated: string };

/*
 * An instance of the application in a process of its own: it writes without pause, in lanes whose rows nobody else touches, so
 * that it knows what each must be; and it can carry a reindex out, and die in the middle of it.
 */
const settings = await settingsOfParent<InstanceSettings>();
const repository = productRepository(settings.index);
const application = await startProducts(settings, { repository, module: settings.module, logger: ['error'] });
const products = application.get(repository);
const service = application.get(ConsistentService);
const report = (message: InstanceReport): boolean => process.send!(message);

let isWriting = false;
let lanes: Promise<LaneRow[]>[] = [];
let acknowledged = 0;
let longestMs = 0;
const errors: Record<string, number> = {};

async function attempt<T>(write: () => Promise<T>): Promise<T | null> {
  const begunAt = performance.now();
  try {
    const result = await write();
    acknowledged += 1;
    longestMs = Math.max(longestMs, performance.now() - begunAt);
    return result;
  } catch (error) {
    const code = String((error as ConsistentError).code ?? (error as Error).message);
    errors[code] = (errors[code] ?? 0) + 1;
    return null;
  }
}

/** Insert, update twice, and remove every second one: deletes must not come back. */
async function writeLane(lane: number): Promise<LaneRow[]> {
  const rows: LaneRow[] = [];
  for (let turn = 0; isWriting; turn++) {
    const made = await attempt(() => products.insert(product({ title: `lane ${lane} turn ${turn}` }) as Product));
    if (!made) continue;
    const row: LaneRow = { id: String(made.id), title: made.title, doubt: false };
    rows.push(row);
    for (const word of ['second', 'third']) {
      const title = `${word} ${lane} ${turn}`;
      const saved = await attempt(() => products.update({ id: row.id, title } as Product));
      if (saved) Object.assign(row, { title, doubt: false });
      else row.doubt = true;
    }
    if (turn % 2 === 0) continue;
    const removed = await attempt(() => products.remove({ id: row.id } as Product));
    if (removed) Object.assign(row, { title: null, doubt: false });
    else row.doubt = true;
  }
  return rows;
}

async function reindex({ options, dieAt }: Extract<InstanceCommand, { kind: 'reindex' }>): Promise<void> {
  let told = '';
  const onProgress = ({ step, rows }: { step: string; rows: number }): void => {
    if (step === dieAt && (step !== 'copying' || rows > 0)) process.kill(process.pid, 'SIGKILL');
    if (told !== step) report({ step });
    told = step;
  };
  try {
    report({ reindexed: await service.reindex(Product, { ...options, onProgress }) });
  } catch (error) {
    const { code, message } = error as ConsistentError;
    report({ failed: { code, message } });
  }
}

process.on('message', (command: InstanceCommand) => {
  if (command.kind === 'write') {
    isWriting = true;
    lanes = Array.from({ length: command.lanes }, (_, lane) => writeLane(lane));
  } else if (command.kind === 'reindex') void reindex(command);
  else if (command.kind === 'update') {
    const { id, title } = command;
    void attempt(() => products.update({ id, title } as Product)).then((saved) =>
      report({ updated: String(saved?.title ?? Object.keys(errors).join()) }),
    );
  } else {
    isWriting = false;
    void Promise.all(lanes).then((all) => report({ written: all.flat(), acknowledged, errors, longestMs }));
  }
});
process.send!('ready');
