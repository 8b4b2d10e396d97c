import { documentIdOf, documentTextOf } from '../entity/document.builder.js';
import type { EntityBinding } from '../entity/entity.binding.js';
import type { RowImage } from '../entity/row.image.js';
import {
  adoptVersion,
  type ChangeVerdict,
  decideChange,
  type GoneMark,
  type RowMark,
} from '../protocol/adopt.decision.js';
import type { Operation, RowState } from '../protocol/row.js';
import { type ChangeKind, type ChangeTicket, ChangeWork } from './change.work.js';
import { putOfText } from './document.writer.js';
import type { LineWriter, WrittenLines } from './line.writer.js';
import { isRangeError } from './log.bytes.js';
import { type LoggedRows, RowCursor } from './logged.rows.js';
import { type ImageReader, isDeleted, type RowLayout, rowLayout, TableUnreadable } from './row.layout.js';
import type { RowView } from './row.view.js';
import type { TableDescription } from './table.description.js';

/** A change that cannot become a request, because its document cannot be made. */
export interface UnmadeDocument {
  readonly id: string;
  readonly version: number;
  readonly reason: string;
}

/** Not a literal: see `log.items.ts`. */
class Mark implements GoneMark {
  constructor(
    readonly state: RowState,
    readonly version: number,
    readonly operation: Operation | null,
  ) {}
}

interface Step {
  readonly verdict: Exclude<ChangeVerdict, 'undecided' | 'ignore'>;
  readonly before: RowMark | null;
  readonly after: GoneMark | null;
  /** The row that the step is about. */
  readonly row: RowView;
  /** The one before, where only the content was changed: if the document shows none of it, nothing is sent. */
  readonly former: RowView | null;
}

/** One event that is being read. */
interface Reading {
  readonly rows: LoggedRows;
  readonly layout: RowLayout;
  readonly ticket: ChangeTicket;
}

/** What a document is made of where that takes an entity. */
interface Made {
  readonly image: RowImage | null;
  readonly entity: object | undefined;
}

/**
 * Rough cost of one work in memory beside its body, with what was made on the way to it. Generous: works that wait for long grow old, and
 * are then only cleared away in larger steps.
 */
const WORK_BYTES = 1_300;
/** A text that is no longer needs no look at its bytes to be an id. */
const SHORT_ID = 170;

/** Turns the row changes of one table into work. No I/O; `toDocument` and `when` are asked to be pure. */
export class ChangeReader {
  private readonly layouts = new WeakMap<TableDescription, RowLayout>();
  private readonly cursor = new RowCursor();
  private readonly needsEntity: boolean;

  constructor(
    private readonly binding: EntityBinding,
    private readonly images: ImageReader,
    private readonly out: LineWriter,
    private readonly unmade: (document: UnmadeDocument) => void,
  ) {
    this.needsEntity = Boolean(binding.options.toDocument ?? binding.options.when);
  }

  /**
   * The works of one event, in its order. A promise only where entities have to be made: then nothing else is to be read before it
   * has resolved.
   * @throws TableUnreadable
   */
  read(rows: LoggedRows, ticket: ChangeTicket): ChangeWork[] | Promise<ChangeWork[]> {
    const reading = { rows, layout: this.layoutOf(rows.description), ticket };
    return this.needsEntity ? this.readEntities(reading) : this.readRows(reading);
  }

  private readRows(reading: Reading): ChangeWork[] {
    const { cursor } = this;
    const { rows, layout } = reading;
    const works: ChangeWork[] = [];
    // Without it the first one makes room for many, and most events have one row.
    works.length = rows.count;
    let length = 0;
    try {
      for (cursor.begin(rows); cursor.next();) {
        const moves = this.changesKey(cursor, layout);
        const first = moves ? this.leaves(cursor, layout) : this.changes(cursor, layout);
        const work = first && this.work(reading, first, null);
        if (work) works[length++] = work;
        const second = moves ? this.comes(cursor, layout) : null;
        const other = second && this.work(reading, second, null);
        if (other) works[length++] = other;
      }
    } catch (error) {
      throw unreadable(error);
    }
    works.length = length;
    return works;
  }

  private async readEntities(reading: Reading): Promise<ChangeWork[]> {
    const { cursor } = this;
    const works: ChangeWork[] = [];
    try {
      for (cursor.begin(reading.rows); cursor.next();) {
        for (const step of this.steps(cursor, reading.layout)) {
          const image = step.verdict === 'adopt-gone' ? null : this.imageOf(reading, step.row);
          const entity = image ? await this.hydrate(image) : undefined;
          if (image && step.former && (await this.looksTheSame(reading, step.former, image, entity))) continue;
          const work = this.work(reading, step, { image, entity });
          if (work) works.push(work);
        }
      }
    } catch (error) {
      throw unreadable(error);
    }
    return works;
  }

  private imageOf({ rows }: Reading, row: RowView): RowImage | null {
    return this.images.image(rows.columns, row.all());
  }

  private hydrate(image: RowImage): Promise<object | undefined> {
    // A transformer that fails: the document says so when it is made.
    return this.binding.hydrate(image).catch(() => undefined);
  }

  private async looksTheSame(reading: Reading, former: RowView, image: RowImage, entity: object | undefined) {
    const before = this.imageOf(reading, former);
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

  private layoutOf(description: TableDescription): RowLayout {
    let layout = this.layouts.get(description);
    if (!layout) {
      layout = rowLayout(this.binding, description, this.images, this.needsEntity, this.out);
      this.layouts.set(description, layout);
    }
    return layout;
  }

  private steps(cursor: RowCursor, layout: RowLayout): Step[] {
    const steps = this.changesKey(cursor, layout)
      ? [this.leaves(cursor, layout), this.comes(cursor, layout)]
      : [this.changes(cursor, layout)];
    return steps.filter((step) => step !== null);
  }

  /** Two changes: the old key goes, the new one comes. */
  private changesKey({ before, after }: RowCursor, layout: RowLayout): boolean {
    return before !== null && after !== null && !before.equals(after, layout.keyPlaces);
  }

  private leaves({ before }: RowCursor, layout: RowLayout): Step | null {
    return this.step(this.mark(before!, layout), null, before!, null);
  }

  private comes({ after }: RowCursor, layout: RowLayout): Step | null {
    return this.step(null, this.mark(after!, layout), after!, null);
  }

  private changes({ before, after }: RowCursor, layout: RowLayout): Step | null {
    const was = before && this.mark(before, layout);
    const is = after && this.mark(after, layout);
    const changed = before !== null && after !== null && !before.equals(after, layout.shown);
    const former = changed && was!.version === is!.version ? before : null;
    return this.step(was, is, (after ?? before)!, former, changed);
  }

  private step(
    before: RowMark | null,
    after: GoneMark | null,
    row: RowView,
    former: RowView | null,
    changed = true,
  ): Step | null {
    const verdict = decideChange(before, after, changed);
    return verdict === 'undecided' || verdict === 'ignore' ? null : { verdict, before, after, row, former };
  }

  private mark(row: RowView, layout: RowLayout): GoneMark {
    const state = row.value(layout.state);
    const version = row.value(layout.version);
    const mark = new Mark(state === 'prepare' || state === 2 ? 'prepare' : 'commit', Number(version), null);
    if (Number.isSafeInteger(mark.version)) return mark;
    throw new TableUnreadable(`a row has the version ${String(version)}, which is no safe integer`);
  }

  private work({ rows, layout, ticket }: Reading, step: Step, made: Made | null): ChangeWork | null {
    const { verdict, before, after, row } = step;
    const mark = after ?? this.goneMark(before!, row, layout);
    const text = this.idIn(row, layout);
    const key = text === null ? this.keyOf(row, layout) : layout.key[0]!.name;
    const logged = rows.bytes / rows.count;
    const as = (kind: ChangeKind, body: WrittenLines | null = null): ChangeWork => {
      const bytes = WORK_BYTES + logged + (body ? body.end - body.start : 0);
      return new ChangeWork(id, kind, mark, body, key, ticket, Math.ceil(bytes));
    };
    let id = '';
    try {
      id = text ?? documentIdOf(this.binding, key as RowImage);
      if (verdict === 'adopt-settled') return as('settle');
      if (verdict === 'check-gone' || verdict === 'adopt-gone') return as('gone');
      if (made && (!made.image || !made.entity)) return as('compare');
      const absent = made ? this.binding.presence(made.image!, made.entity!) === 'absent' : isDeleted(row, layout);
      // Newer than before: a write of the library that brings no document and takes none away, over with its transaction.
      if (absent && (verdict === 'check' || (before && mark.version > before.version))) return as('check-absent');
      if (verdict === 'check') return as('check');
      if (absent) return as('put');
      const body = this.lines(rows, layout, row, id, adoptVersion(mark), made);
      return body ? as('put', body) : as('compare');
    } catch (error) {
      this.unmade({ id, version: mark.version, reason: (error as Error).message });
      return null;
    }
  }

  /** Null where the log does not tell the document exactly. */
  private lines(rows: LoggedRows, layout: RowLayout, row: RowView, id: string, version: number, made: Made | null) {
    const written = layout.writer?.put(row, id, version);
    if (written) return written;
    const image = made ? made.image : this.images.image(rows.columns, row.all());
    return image && putOfText(this.out, documentTextOf(this.binding, image, made?.entity as object), id, version);
  }

  /** The document's id where it is the text of the key's one column. */
  private idIn(row: RowView, layout: RowLayout): string | null {
    const text = layout.keyIsId ? this.keyText(row, layout.key[0]!) : null;
    return text && text.length <= SHORT_ID ? text : null;
  }

  /** Of a whole row only what names it: a queue of bodies need not hold its columns too. */
  private keyOf(row: RowView, layout: RowLayout): RowImage {
    const key: Record<string, string | null> = {};
    for (const column of layout.key) key[column.name] = this.keyText(row, column);
    return key;
  }

  private keyText(row: RowView, { at, toText }: RowLayout['key'][number]): string | null {
    const value = row.value(at);
    const text = value === null ? null : toText(value);
    if (text === null && value !== null) throw new TableUnreadable('the key of a row cannot be read from the log');
    return text;
  }

  /** Unreadable counts as "may bring a document": the careful case. */
  private goneMark(before: RowMark, row: RowView, layout: RowLayout): GoneMark {
    // A string, or an object that prints its JSON when asked.
    const pending = layout.pending < 0 ? null : (row.value(layout.pending) as { toString(): string } | null);
    const { state, version } = before;
    if (state !== 'prepare' || pending == null) return new Mark(state, version, null);
    try {
      const read = JSON.parse(pending.toString()) as { operation?: Operation };
      return new Mark(state, version, read.operation ?? null);
    } catch {
      return new Mark(state, version, null);
    }
  }
}

/** Bytes that no such table can have. Also what an entity's own code throws stays what it is. */
function unreadable(error: unknown): unknown {
  return isRangeError(error) ? new TableUnreadable(`a row cannot be read: ${(error as Error).message}`) : error;
}
