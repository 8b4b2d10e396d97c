import { setTimeout as sleep } from 'node:timers/promises';
import type { EntityContext } from '../entity/entity.context.js';
import type { RowKey } from '../entity/row.key.js';
import type { LoadedRow } from '../mysql/row.store.js';
import { type ComparedRow, decideDifference } from './difference.decision.js';
import type { DocumentReader } from './document.reader.js';
import type { DocumentView } from './document.scanner.js';
import type { Expectation, RowExpectation } from './row.expectation.js';
import type { ResolvedVerifyOptions } from './verify.options.js';
import type { DifferenceKind } from './verify.types.js';

/** What may be a difference. `key` is null where no row can have such a document. */
export interface Suspect {
  readonly documentId: string;
  readonly key: RowKey | null;
}

/** A difference that stood. */
export interface Confirmed extends Suspect {
  readonly kind: DifferenceKind;
  readonly rowVersion: number | null;
  readonly documentVersion: number | null;
}

export interface Rechecked {
  readonly confirmed: Confirmed[];
  /** Why some could not be compared. */
  readonly unchecked: string[];
}

interface Case {
  readonly suspect: Suspect;
  /** The difference as it was seen last, with both versions. */
  seen: string | null;
  reason: string;
}

/** A row and what it expects, as one reading saw them. Null: no row. */
type Reading = { readonly row: LoadedRow; readonly expectation: Expectation } | null;

const LOAD = 200;
/** Between two looks, however short `graceMs` is. */
const MIN_PAUSE_MS = 10;
/** How long a row that is always under way is looked at, however long writers wait for it. */
const MAX_PATIENCE_MS = 30_000;

/**
 * Separates differences from writes under way. Suspects are looked at again, the row and then its document, until they
 * agree, or show the same difference twice at the same versions with `graceMs` between. Rows in `prepare` are settled first.
 *
 * No write can hide in that: the second reading of the row comes after the first of the document, and a row that is in
 * `commit` at one version both times had no write under way between, for each takes a new version when it is prepared. Nor
 * can one in a document without a row: a row that comes and goes takes its document along.
 */
export class DifferenceRecheck {
  constructor(
    private readonly context: EntityContext,
    private readonly reader: DocumentReader,
    private readonly expectation: RowExpectation,
    private readonly options: ResolvedVerifyOptions,
  ) {}

  async recheck(suspects: readonly Suspect[]): Promise<Rechecked> {
    const open = new Map<string, Case>(
      suspects.map((suspect) => [suspect.documentId, { suspect, seen: null, reason: 'it kept changing' }]),
    );
    const result: Rechecked = { confirmed: [], unchecked: [] };
    const { graceMs, signal } = this.options;
    const pauseMs = Math.max(graceMs, MIN_PAUSE_MS);
    const patienceMs = Math.min(this.context.options.busyTimeoutMs, MAX_PATIENCE_MS);
    const until = performance.now() + patienceMs + 2 * pauseMs;
    for (let look = 0; open.size > 0 && (look < 2 || performance.now() < until); look++) {
      if (look > 0) await sleep(pauseMs, undefined, signal ? { signal } : {});
      await this.look(open, result);
    }
    for (const { suspect, reason } of open.values()) {
      result.unchecked.push(`${this.context.binding.name} ${suspect.documentId}: ${reason}`);
    }
    return result;
  }

  private async look(open: Map<string, Case>, result: Rechecked): Promise<void> {
    const cases = await this.decided([...open.values()], open, result);
    const before = await this.load(cases);
    const readable: { item: Case; reading: Reading }[] = [];
    for (const item of cases) {
      try {
        readable.push({ item, reading: await this.read(item, before) });
      } catch (error) {
        open.delete(item.suspect.documentId);
        result.unchecked.push(`${this.context.binding.name} ${item.suspect.documentId}: ${(error as Error).message}`);
      }
    }
    const views = await this.reader.compare(
      readable.map(({ item }) => item.suspect.documentId),
      readable.map(({ reading }) => reading?.expectation.text ?? null),
      this.options,
    );
    readable.forEach(({ item, reading }, at) => {
      const view = views[at]!;
      if (view instanceof Error) item.reason = view.message;
      // Prepared since it was found decided: the next look settles it.
      else if (reading?.row.state !== 'prepare') this.judge(item, reading, view, open, result);
    });
  }

  private judge(item: Case, reading: Reading, view: DocumentView, open: Map<string, Case>, result: Rechecked): void {
    const compared: ComparedRow = reading && {
      version: reading.row.version,
      presence: reading.expectation.presence,
    };
    const kind = decideDifference(compared, view);
    if (kind === null) {
      open.delete(item.suspect.documentId);
      return;
    }
    const rowVersion = compared?.version ?? null;
    const documentVersion = view.found ? view.version : null;
    const seen = `${kind} ${rowVersion} ${documentVersion}`;
    if (item.seen !== seen) {
      item.seen = seen;
      return;
    }
    open.delete(item.suspect.documentId);
    result.confirmed.push({ ...item.suspect, kind, rowVersion, documentVersion });
  }

  /** Those whose rows are not in `prepare`, or no longer: what is undecided is no difference. */
  private async decided(cases: readonly Case[], open: Map<string, Case>, result: Rechecked): Promise<Case[]> {
    const rows = await this.load(cases);
    const rowOf = ({ suspect }: Case) => (suspect.key ? rows.get(suspect.key.id) : undefined);
    const undecided = cases.filter((item) => rowOf(item)?.state === 'prepare');
    if (undecided.length === 0) return [...cases];
    const settled = new Set(cases.filter((item) => !undecided.includes(item)));
    const keys = undecided.map(({ suspect }) => suspect.key!);
    const { writeTimeoutMs } = this.context.options;
    const results = await this.context.settler.resolve(keys, { purpose: 'operator', timeoutMs: writeTimeoutMs });
    for (const item of undecided) {
      const resolution = results.get(item.suspect.key!.id)!;
      if (resolution instanceof Error) item.reason = `it could not be settled: ${resolution.message}`;
      else if (resolution.parked) {
        open.delete(item.suspect.documentId);
        result.unchecked.push(`${this.context.binding.name} ${item.suspect.documentId}: the row is parked`);
      } else if (resolution.settled) settled.add(item);
      else item.reason = 'a write of it was under way the whole time';
    }
    return cases.filter((item) => settled.has(item));
  }

  private async load(cases: readonly Case[]): Promise<Map<string, LoadedRow>> {
    const keys = cases.flatMap(({ suspect }) => suspect.key ?? []);
    const rows = new Map<string, LoadedRow>();
    for (let from = 0; from < keys.length; from += LOAD) {
      const some = await this.context.store.load(keys.slice(from, from + LOAD));
      for (const [id, row] of some) rows.set(id, row);
    }
    return rows;
  }

  /** @throws InvalidDocumentError where the row cannot become a document */
  private async read(item: Case, rows: ReadonlyMap<string, LoadedRow>): Promise<Reading> {
    const row = item.suspect.key ? this.own(item, rows.get(item.suspect.key.id)) : undefined;
    return row ? { row, expectation: await this.expectation.of(row.image, true) } : null;
  }

  /** To a collation another spelling is the same key; its document is another one. */
  private own(item: Case, row: LoadedRow | undefined): LoadedRow | undefined {
    return row && this.expectation.idOf(row.image) === item.suspect.documentId ? row : undefined;
  }
}
