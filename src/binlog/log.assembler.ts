import type { BinlogPosition } from './binlog.types.js';
import { ENDING, Kind, SILENT } from './event.kinds.js';
import { parseGtid, parseTaggedGtid, type ParsedGtid } from './gtid.event.js';
import { isRangeError, LogBytes } from './log.bytes.js';
import { LogCopies } from './log.copies.js';
import { LogPlace, TransactionEnd, TransactionStart, UndecodedRows } from './log.items.js';
import type { AssemblerPort } from './log.items.js';
import { isBegin, statementKind, xaName } from './statement.kind.js';
import { describeTable, tableNameOf, type TableDescription } from './table.description.js';
import type { RowsKind } from './logged.rows.js';
import { unpackTransaction } from './transaction.payload.js';
import { type XaTransaction, XaTransactions } from './xa.transactions.js';

const HEADER_BYTES = 19;
/** Within an event's header. */
const KIND_AT = 4;
const POSITION_AT = 13;
const FLAGS_AT = 17;
const CHECKSUM_BYTES = 4;
const CRC32 = 1;
const MICROS_PER_SECOND = 1_000_000;
/** Flags of a rows event: foreign keys are not looked at; or what they do is logged with it (since MySQL 9.6). */
const NO_CASCADES = 0x02 | 0x10;
/** In an event's header: who does not know the event may leave it out. */
const IGNORABLE = 0x80;

interface Transaction {
  readonly gtid: string;
  readonly skipped: boolean;
  /** BEGIN was read: the end is an event of its own. */
  begun: boolean;
  /** Tables that were told to be undecodable; each is told once. Null: none. */
  told: Set<string> | null;
  /** Of an XA transaction. */
  xa: XaTransaction | null;
}

interface KnownTable {
  /** Of the event that named it; null where nothing of it is wanted. */
  readonly body: Buffer | null;
  readonly schema: string;
  readonly table: string;
  /** Null where nothing of it is wanted. */
  readonly description: TableDescription | null;
  /** Only rows whose cascades are not in the log are wanted. */
  onlyCascades: boolean;
}

/**
 * Makes transactions of one connection's events. Knows the log's format, and nothing of connections.
 * Throws `RangeError` when the bytes cannot be understood at all.
 */
export class LogAssembler {
  file = '';
  /** Whether `Format` was seen, and when its file was begun. */
  fileCreatedAtMs: number | null = null;
  private checksumBytes: number;
  private readonly tables = new Map<number, KnownTable>();
  private readonly xa = new XaTransactions((...told) => this.undecodable(...told));
  private transaction: Transaction | null = null;
  private readonly copies = new LogCopies();
  /** Of the event that is being taken. */
  private readonly body = new LogBytes(Buffer.alloc(0), 0, 0);

  constructor(
    private readonly port: AssemblerPort,
    hasChecksums: boolean,
  ) {
    this.checksumBytes = hasChecksums ? CHECKSUM_BYTES : 0;
  }

  /**
   * One event with its header, from `start` to before `end`. A promise is returned for a compressed transaction: nothing else may
   * come before its end.
   */
  handle(buffer: Buffer, start: number, end: number): void | Promise<void> {
    if (end - start < HEADER_BYTES) throw new RangeError(`an event of ${end - start} bytes`);
    const position = buffer.readUInt32LE(start + POSITION_AT);
    if (buffer[start + KIND_AT] === Kind.TransactionPayload) {
      return this.payload(new LogBytes(buffer, start + HEADER_BYTES, end - this.checksumBytes), this.at(position));
    }
    this.take(buffer, start, end, this.checksumBytes, position);
  }

  private at(position: number): BinlogPosition {
    return new LogPlace(this.file, position);
  }

  private async payload(body: LogBytes, at: BinlogPosition): Promise<void> {
    if (this.transaction?.skipped) return this.end(at);
    try {
      // The events inside have no checksums; their positions are those of the whole.
      await unpackTransaction(
        body,
        (buffer, start, end) => this.take(buffer, start, end, 0, at.position),
        () => this.port.room(),
      );
    } catch (error) {
      if (!isRangeError(error)) throw error;
      this.undecodable(
        null,
        null,
        `a compressed transaction cannot be unpacked (${(error as Error).message}); run SET PERSIST binlog_transaction_compression = OFF`,
        at,
      );
      this.end(at);
    }
  }

  private take(buffer: Buffer, start: number, end: number, checksumBytes: number, position: number): void {
    const kind = buffer[start + KIND_AT]! as Kind;
    const body = this.body.of(buffer, start + HEADER_BYTES, end - checksumBytes);
    switch (kind) {
      case Kind.Rotate:
        body.skip(8);
        this.file = body.text(body.left);
        return;
      case Kind.Format:
        this.format(buffer, start, end);
        return;
      case Kind.Gtid:
      case Kind.AnonymousGtid:
      case Kind.TaggedGtid: {
        const fallback = buffer.readUInt32LE(start) * MICROS_PER_SECOND;
        this.begin(
          kind === Kind.TaggedGtid
            ? parseTaggedGtid(body, fallback)
            : parseGtid(body, kind === Kind.AnonymousGtid, fallback),
          position,
          end - start,
        );
        return;
      }
      case Kind.Heartbeat:
      case Kind.HeartbeatV2:
        // The file's name in the first version is redundant; the second has fields. Neither is needed.
        this.port.put({ kind: 'heartbeat', at: this.at(position) }, 0);
        return;
      default:
        if (!this.transaction?.skipped || ENDING.has(kind)) {
          const ignorable = (buffer.readUInt16LE(start + FLAGS_AT) & IGNORABLE) !== 0;
          this.inTransaction(kind, body, ignorable, position);
        }
    }
  }

  private format(buffer: Buffer, start: number, end: number): void {
    // Always with a checksum of its own, and before that the byte that tells whether the others have one.
    this.checksumBytes = buffer[end - CHECKSUM_BYTES - 1] === CRC32 ? CHECKSUM_BYTES : 0;
    this.fileCreatedAtMs ??= buffer.readUInt32LE(start) * 1000;
    this.tables.clear();
  }

  private begin(parsed: ParsedGtid, position: number, eventBytes: number): void {
    const { gtid, committedAtUs } = parsed;
    const skipped = this.port.skipped(parsed, this.file, position - eventBytes);
    this.transaction = { gtid, skipped, begun: false, told: null, xa: null };
    if (!skipped) this.port.put(new TransactionStart(gtid, committedAtUs, this.at(position)), 0);
  }

  private inTransaction(kind: Kind, body: LogBytes, ignorable: boolean, position: number): void {
    switch (kind) {
      case Kind.TableMap:
        this.tableMap(body);
        return;
      case Kind.WriteRows:
      case Kind.WriteRowsV1:
        this.rows('insert', kind === Kind.WriteRows, body, position);
        return;
      case Kind.UpdateRows:
      case Kind.UpdateRowsV1:
        this.rows('update', kind === Kind.UpdateRows, body, position);
        return;
      case Kind.DeleteRows:
      case Kind.DeleteRowsV1:
        this.rows('delete', kind === Kind.DeleteRows, body, position);
        return;
      case Kind.PartialUpdateRows:
        this.partialUpdate(body, this.at(position));
        return;
      case Kind.Xid:
        this.end(this.at(position));
        return;
      case Kind.Query:
        this.query(body, position);
        return;
      case Kind.XaPrepare:
        this.xa.prepare(
          this.transaction?.skipped ? null : (this.transaction?.xa ?? null),
          body.u8() !== 0,
          this.at(position),
        );
        this.end(this.at(position));
        return;
      case Kind.ExecuteLoad:
        this.asText(this.at(position));
        return;
      case Kind.Incident:
        this.undecodable(
          null,
          null,
          'the server reports an incident: events are missing from the log',
          this.at(position),
        );
        return;
      default:
        if (SILENT.has(kind) || ignorable) return;
        this.undecodable(null, null, `an event of the unknown kind ${kind}`, this.at(position));
    }
  }

  private tableMap(body: LogBytes): void {
    const id = body.u48();
    body.skip(2);
    const { buffer, at, end } = body;
    const known = this.tables.get(id);
    // The same description for the same bytes: what is compiled for it is compiled once.
    const same = known?.body && buffer.compare(known.body, 0, known.body.length, at, end) === 0;
    const { schema, table } = same ? known : tableNameOf(body);
    const wanted = this.port.wanted(schema, table);
    const onlyCascades = wanted === 'cascades';
    if (!wanted) {
      this.tables.set(id, { body: null, schema, table, description: null, onlyCascades });
    } else if (!same) {
      const whole = Buffer.from(buffer.subarray(at, end));
      const description = describeTable(schema, table, body);
      this.tables.set(id, { body: whole, schema, table, description, onlyCascades });
    } else known.onlyCascades = onlyCascades;
  }

  private rows(rows: RowsKind, hasExtra: boolean, body: LogBytes, position: number): void {
    const known = this.tables.get(body.u48());
    if (known === undefined) {
      this.undecodable(null, null, 'rows of a table that the log did not name', this.at(position));
      return;
    }
    const { description } = known;
    if (description === null) return;
    const cascadesEscape = (body.u16() & NO_CASCADES) === 0;
    if (known.onlyCascades && (!cascadesEscape || rows === 'insert')) return;
    const { schema, table: name, problem } = description;
    const { transaction } = this;
    const at = this.at(position);
    if (!transaction) {
      this.undecodable(schema, name, 'the log was read from the middle of a transaction on', at);
    } else if (transaction.xa) {
      transaction.xa.tables.set(`${schema}.${name}`, [schema, name]);
    } else if (problem) {
      this.undecodable(schema, name, problem, at);
    } else {
      const { left } = body;
      const copy = this.copies.of(body);
      this.port.put(new UndecodedRows(description, rows, hasExtra, cascadesEscape, copy, at), left);
    }
  }

  private partialUpdate(body: LogBytes, at: BinlogPosition): void {
    const known = this.tables.get(body.u48());
    if (known?.description === null) return;
    if (known?.onlyCascades && (body.u16() & NO_CASCADES) !== 0) return;
    const reason =
      "parts of JSON values were logged; run SET PERSIST binlog_row_value_options = '' and let no session set it";
    this.undecodable(known?.schema ?? null, known?.table ?? null, reason, at);
  }

  private query(body: LogBytes, position: number): void {
    body.skip(8);
    const schemaLength = body.u8();
    body.skip(2);
    body.skip(body.u16());
    const { transaction } = this;
    if (transaction && isBegin(body, schemaLength + 1)) {
      transaction.begun = true;
      return;
    }
    const at = this.at(position);
    const schema = body.text(schemaLength);
    body.skip(1);
    const statement = body.text(body.left);
    const kind = statementKind(statement);
    if (kind === 'begin' || kind === 'xa-start') {
      if (transaction) transaction.begun = true;
      if (transaction && kind === 'xa-start') transaction.xa = { name: xaName(statement), tables: new Map() };
      return;
    }
    if (kind === 'commit') {
      this.end(at);
      return;
    }
    if (!transaction?.skipped) {
      if (kind === 'schema-change') this.port.put({ kind, schema, statement, at }, statement.length);
      else if (kind === 'rows-as-text') this.asText(at);
      else if (kind === 'xa-commit') this.xa.commit(xaName(statement), at);
      else if (kind === 'xa-rollback') this.xa.rollback(xaName(statement));
    }
    // A statement that commits by itself has no end of its own.
    if (!transaction?.begun) this.end(at);
  }

  private asText(at: BinlogPosition): void {
    this.undecodable(
      null,
      null,
      'rows were changed by a statement that is in the log as text; run SET PERSIST binlog_format = ROW, and let no session set it otherwise',
      at,
    );
  }

  private undecodable(schema: string | null, table: string | null, reason: string, at: BinlogPosition): void {
    const key = JSON.stringify([schema, table]);
    if (this.transaction?.told?.has(key)) return;
    if (this.transaction) (this.transaction.told ??= new Set()).add(key);
    this.port.put({ kind: 'undecodable', schema, table, reason, at }, 0);
  }

  private end(at: BinlogPosition): void {
    const { transaction } = this;
    this.transaction = null;
    if (transaction) this.port.put(new TransactionEnd(transaction.gtid, transaction.skipped, at), 0);
  }
}
