import type { BinlogPosition } from './binlog.types.js';

/** An XA transaction, and the tables that it changed: `database.table` → both names. */
export interface XaTransaction {
  readonly name: string;
  readonly tables: Map<string, [schema: string, table: string]>;
}

/** Says that rows of a table (null: of any) are not used, and why. */
export type TellUndecodable = (schema: string | null, table: string | null, reason: string, at: BinlogPosition) => void;

/** Transactions that were prepared and wait for their end. */
const MAX_PREPARED = 10_000;
const REASON = 'rows of an XA transaction are in the log before it is decided, so they are not used';

/** The rows count only from XA COMMIT on, which can come much later, or from another session: until then only their tables are kept. */
export class XaTransactions {
  private readonly prepared = new Map<string, XaTransaction['tables']>();

  constructor(private readonly undecodable: TellUndecodable) {}

  /** `xa`: null where its tables are not known; its XA COMMIT will say so. */
  prepare(xa: XaTransaction | null, onePhase: boolean, at: BinlogPosition): void {
    if (xa && onePhase) this.tell(xa.tables, at);
    else if (xa && this.prepared.size < MAX_PREPARED) this.prepared.set(xa.name, xa.tables);
  }

  commit(name: string, at: BinlogPosition): void {
    const tables = this.prepared.get(name);
    this.prepared.delete(name);
    if (tables) this.tell(tables, at);
    else this.undecodable(null, null, `${REASON}; its tables are not known, as it was prepared earlier`, at);
  }

  rollback(name: string): void {
    this.prepared.delete(name);
  }

  private tell(tables: XaTransaction['tables'], at: BinlogPosition): void {
    for (const [schema, table] of tables.values()) this.undecodable(schema, table, REASON, at);
  }
}
