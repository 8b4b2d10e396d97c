import { isDeepStrictEqual } from 'node:util';
import { documentIdOf, documentTextOf } from '../entity/document.builder.js';
import type { EntityBinding } from '../entity/entity.binding.js';
import type { RowImage } from '../entity/row.image.js';
import { type ChangeVerdict, decideChange, type GoneMark, type RowMark } from '../protocol/adopt.decision.js';
import type { Operation } from '../protocol/row.js';
import type { BinlogColumn, BinlogValues, RowChange, RowsEvent } from './binlog.types.js';
import { type ChangeKind, type ChangeTicket, ChangeWork } from './change.work.js';

/** Makes exact texts of the log's values. Null where the log does not tell them exactly: then the row is read from MySQL. */
export interface ImageReader {
  image(columns: readonly BinlogColumn[], values: BinlogValues): RowImage | null;
  /** Only the key's columns. */
  key(columns: readonly BinlogColumn[], values: BinlogValues): RowImage | null;
}

/** The log's rows of this table lack what the entity needs: nothing can be made of them. */
export class TableUnreadable extends Error {}

/** A change that cannot become a request, because its document cannot be made. */
export interface UnmadeDocument {
  readonly id: string;
  readonly version: number;
  readonly reason: string;
}

/** What the names in the log mean, found once for each table map. */
interface Layout {
  /** Columns that the document may show. */
  readonly shown: readonly string[];
  readonly key: readonly string[];
}

interface Step {
  readonly verdict: Exclude<ChangeVerdict, 'undecided' | 'ignore'>;
  readonly before: RowMark | null;
  readonly after: RowMark | null;
  /** The values that the step is about. */
  readonly values: BinlogValues;
  /** Those before, where only the content was changed: if the document shows none of it, nothing is sent. */
  readonly former: BinlogValues | null;
}

/** Rough cost of one work in memory beside its body. */
const WORK_BYTES = 700;

/** Turns the row changes of one table into work. No I/O; `toDocument` and `when` are asked to be pure. */
export class ChangeReader {
  private readonly layouts = new WeakMap<readonly BinlogColumn[], Layout>();
  private readonly needsEntity: boolean;

  constructor(
    private readonly binding: EntityBinding,
    private readonly images: ImageReader,
    private readonly unmade: (document: UnmadeDocument) => void,
  ) {
    this.needsEntity = Boolean(binding.options.toDocument ?? binding.options.when);
  }

  /**
   * The works of one event, in its order. A promise only where entities have to be made.
   * @throws TableUnreadable
   */
  read(event: RowsEvent, ticket: ChangeTicket): ChangeWork[] | Promise<ChangeWork[]> {
    const layout = this.layoutOf(event.columns);
    const works: ChangeWork[] = [];
    if (this.needsEntity) return this.readEntities(event, layout, ticket);
    for (const change of event.changes) {
      for (const step of this.steps(change, layout)) {
        const work = this.work(event, step, ticket, undefined);
        if (work) works.push(work);
      }
    }
    return works;
  }

  private async readEntities(event: RowsEvent, layout: Layout, ticket: ChangeTicket) {
    const works: ChangeWork[] = [];
    for (const change of event.changes) {
      for (const step of this.steps(change, layout)) {
        const image = step.verdict === 'adopt-gone' ? null : this.images.image(event.columns, step.values);
        const entity = image ? await this.hydrate(image) : undefined;
        if (image && step.former && (await this.looksTheSame(event, step.former, image, entity))) continue;
        const work = this.work(event, step, ticket, entity);
        if (work) works.push(work);
      }
    }
    return works;
  }

  private hydrate(image: RowImage): Promise<object | undefined> {
    // A transformer that fails: the document says so when it is made.
    return this.binding.hydrate(image).catch(() => undefined);
  }

  private async looksTheSame(event: RowsEvent, former: BinlogValues, image: RowImage, entity: object | undefined) {
    const before = this.images.image(event.columns, former);
    if (!before || !entity) return false;
    try {
      const formerly = await this.binding.hydrate(before);
      const presence = this.binding.presence(image, entity);
      if (presence !== this.binding.presence(before, formerly)) return false;
      if (presence === 'absent') return true;
      return documentTextOf(this.binding, image, entity) === documentTextOf(this.binding, before, formerly);
    } catch {
      return false;
    }
  }

  private layoutOf(columns: readonly BinlogColumn[]): Layout {
    const known = this.layouts.get(columns);
    if (known) return known;
    const logged = new Set(columns.map(({ name }) => name));
    const { names, key, metadata } = this.binding;
    const mapped = this.binding.columns.filter((column) => column.metadata);
    const needed = [names.state, names.version, ...mapped.map(({ name }) => name)];
    const missing = needed.filter((name) => !logged.has(name));
    if (missing.length > 0) {
      throw new TableUnreadable(
        `its rows in the log lack the column${missing.length > 1 ? 's' : ''} ${missing.join(', ')}, which the entity maps`,
      );
    }
    const deleted = metadata.deleteDateColumn?.databaseName;
    const shown = mapped.filter((column) => this.needsEntity || column.metadata!.isSelect || column.name === deleted);
    const layout = { shown: shown.map(({ name }) => name), key: key.map(({ name }) => name) };
    this.layouts.set(columns, layout);
    return layout;
  }

  private steps({ before, after }: RowChange, layout: Layout): Step[] {
    const was = before && this.mark(before);
    const is = after && this.mark(after);
    if (before && after && !same(before, after, layout.key)) {
      return [...this.step(was, null, before, null), ...this.step(null, is, after, null)];
    }
    const changed = before !== null && after !== null && !same(before, after, layout.shown);
    return this.step(was, is, (after ?? before)!, changed && was!.version === is!.version ? before : null, changed);
  }

  private step(
    before: RowMark | null,
    after: RowMark | null,
    values: BinlogValues,
    former: BinlogValues | null,
    changed = true,
  ): Step[] {
    const verdict = decideChange(before, after, changed);
    return verdict === 'undecided' || verdict === 'ignore' ? [] : [{ verdict, before, after, values, former }];
  }

  private mark(values: BinlogValues): RowMark {
    const { state, version } = this.binding.names;
    const raw = values[state];
    const mark: RowMark = {
      state: raw === 'prepare' || raw === 2 ? 'prepare' : 'commit',
      version: Number(values[version]),
    };
    if (Number.isSafeInteger(mark.version)) return mark;
    throw new TableUnreadable(`a row has the version ${String(values[version])}, which is no safe integer`);
  }

  private work(event: RowsEvent, step: Step, ticket: ChangeTicket, entity: object | undefined): ChangeWork | null {
    const { verdict, before, after, values } = step;
    const whole = verdict === 'adopt' || verdict === 'check' ? this.images.image(event.columns, values) : null;
    const image = whole ?? this.images.key(event.columns, values);
    if (!image) throw new TableUnreadable('the key of a row cannot be read from the log');
    const mark = after ? { ...after, operation: null } : this.goneMark(before!, values);
    const made = (kind: ChangeKind, text: string | null = null): ChangeWork => {
      const bytes = WORK_BYTES + (text?.length ?? 0) + event.bytes / event.changes.length;
      return new ChangeWork(id, kind, mark, text, this.keyOf(image), ticket, Math.ceil(bytes));
    };
    let id = '';
    try {
      id = documentIdOf(this.binding, image);
      if (verdict === 'adopt-settled') return made('settle');
      if (verdict === 'check-gone' || verdict === 'adopt-gone') return made('gone');
      if (!whole || (this.needsEntity && !entity)) return made('compare');
      const absent = this.binding.presence(whole, entity) === 'absent';
      // Newer than before: a write of the library that brings no document and takes none away, over with its transaction.
      if (absent && (verdict === 'check' || (before && mark.version > before.version))) return made('check-absent');
      if (verdict === 'check') return made('check');
      return made('put', absent ? null : documentTextOf(this.binding, whole, entity!));
    } catch (error) {
      this.unmade({ id, version: mark.version, reason: (error as Error).message });
      return null;
    }
  }

  /** Unreadable counts as "may bring a document": the careful case. */
  private goneMark(before: RowMark, values: BinlogValues): GoneMark {
    // A string, or an object that prints its JSON when asked.
    const pending = values[this.binding.names.pending] as { toString(): string } | null | undefined;
    if (before.state !== 'prepare' || pending == null) return { ...before, operation: null };
    try {
      const read = JSON.parse(pending.toString()) as { operation?: Operation };
      return { ...before, operation: read.operation ?? null };
    } catch {
      return { ...before, operation: null };
    }
  }

  /** Of a whole image only what names the row: a queue of bodies need not hold their columns too. */
  private keyOf(image: RowImage): RowImage {
    const key: Record<string, string | null> = {};
    for (const { name } of this.binding.key) key[name] = image[name] ?? null;
    return key;
  }
}

function same(one: BinlogValues, other: BinlogValues, names: readonly string[]): boolean {
  for (const name of names) {
    const [a, b] = [one[name], other[name]];
    if (a !== b && !(typeof a === 'object' && typeof b === 'object' && isDeepStrictEqual(a, b))) return false;
  }
  return true;
}
