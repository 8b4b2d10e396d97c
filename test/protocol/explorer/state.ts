import type { Operation, PendingWrite, SlotView } from '../../../src/protocol/row.js';
import type { LogEntry, Work } from './backstop.state.js';
import { type History, type Image, SOFT } from './history.js';

/** The row in MySQL. Immutable, as every part of a state: unchanged parts are shared. */
export interface Row {
  readonly image: Image;
  readonly version: number;
  readonly pending:
    (PendingWrite & { readonly previous: Image; readonly parked: boolean; readonly unchanged?: boolean }) | null;
}

/** The document in Elasticsearch, or its tombstone (`image: null`), or nothing (`version: -1`). */
export interface Document {
  readonly image: Image;
  readonly version: number;
  /** 0: no marker. */
  readonly restored: number;
}

/** A request on its way to Elasticsearch. */
export interface Message {
  readonly sender: number;
  readonly version: number;
  readonly image: Image;
  readonly restored: number;
  /** The sender no longer waits: the request may arrive late, or never. */
  readonly abandoned: boolean;
  readonly duplicated: boolean;
  readonly answer: 'applied' | 'conflict' | null;
}

/** What a settler knows of its row: `Case` and the last reading, see src/settle. */
export interface Settling {
  readonly purpose: 'read' | 'wait' | 'look' | 'race' | 'sweep';
  readonly at: 'load' | 'look' | 'commit' | 'restore' | 'fence' | 'answer' | 'lift';
  readonly row: Row | null;
  readonly expired: boolean;
  readonly version: number;
  readonly conflicted: boolean;
  readonly reread: boolean;
  readonly superseded: number;
  readonly fenced: number;
  readonly slot: SlotView | null;
  /** The version that may be raced for whatever its deadline, or -1. */
  readonly claimed: number;
  /** The version that the look found, for a lift; 0 for none. */
  readonly theirs: number;
}

export interface Process {
  readonly at:
    'start' | 'prepare' | 'send' | 'answer' | 'flip' | 'restore' | 'settle' | 'wait' | 'read' | 'end' | Work['at'];
  /** A writer's own version, 0 before it has one. */
  readonly version: number;
  readonly tries: number;
  /** An earlier try of a writer may have been applied. */
  readonly doubtful: boolean;
  readonly settling: Settling | null;
  /** The backstop's, about one entry of the log. */
  readonly work: Work | null;
}

export interface State {
  readonly clock: number;
  /** Bits of the versions that writes have had. */
  readonly used: number;
  readonly row: Row | null;
  readonly document: Document;
  readonly messages: readonly Message[];
  /** Versions of flips that are still on their way to MySQL although their callers were answered. */
  readonly flips: readonly number[];
  readonly processes: readonly Process[];
  readonly history: History;
  /** What the backstop reads: from the oldest entry that it may be given again. */
  readonly log: readonly LogEntry[];
  /** How many of them it has done. */
  readonly done: number;
  /** How often the backstop may still crash, or get no answer. */
  readonly faults: number;
}

/**
 * `save` inserts or updates, `soft` does so with a soft-deleted image, `insert` refuses an existing row. `sql`, `sqlSoft` and `sqlRemove` do the like
 * around the library, `foreign` puts a document into the index at a high version.
 */
export type Spec =
  | { readonly kind: 'save' | 'soft' | 'insert' | 'sql' | 'sqlSoft' | 'foreign'; readonly image: number }
  | { readonly kind: 'remove' | 'sqlRemove' | 'database' | 'index' | 'sweeper' | 'backstop' };

/** Thrown when a step shows what must never happen. */
export class Violation extends Error {
  constructor(
    message: string,
    /** The step that showed it, where it was not the end. */
    readonly step?: string,
  ) {
    super(message);
  }
}

/** The image that a process writes. */
export function imageOf(spec: Spec): Image {
  if (!('image' in spec)) return null;
  return spec.kind === 'soft' || spec.kind === 'sqlSoft' ? SOFT + spec.image : spec.image;
}

export function presence(image: Image): 'present' | 'absent' {
  return image === null || image >= 100 ? 'absent' : 'present';
}

/** Whether somebody writes around the library: then readers are promised nothing until the log is drained. */
export function isBypassed(specs: readonly Spec[]): boolean {
  return specs.some(({ kind }) => kind.startsWith('sql') || kind === 'foreign');
}

export function replace(state: State, process: number, next: Partial<Process>): State {
  const { processes } = state;
  return { ...state, processes: processes.with(process, { ...processes[process]!, ...next }) };
}

/** What the row becomes when its pending write is undone: a re-drive has nothing to undo. */
export function imageBefore({ image, pending }: Row): Image {
  return pending!.unchanged ? image : pending!.previous;
}

/** What the row becomes when its pending write commits. */
export function imageAfter(row: Row): Image {
  return row.pending?.operation === 'delete' ? null : row.image;
}

/** The row without its deadline, waiting for a person; null where it is no longer in `prepare` at this version. */
export function parked(row: Row | null, version: number): Row | null {
  if (!row?.pending || row.version !== version) return null;
  return row.pending.parked ? row : { ...row, pending: { ...row.pending, parked: true } };
}

/** The end of a write in MySQL, by whoever: the row without its `prepare`, null for no row; undefined changes nothing. */
export function ended(
  row: Row | null,
  version: number,
  how: 'commit' | 'restore',
  versionNamed: boolean,
): Row | null | undefined {
  if (!row?.pending || (versionNamed && row.version !== version)) return undefined;
  const { operation } = row.pending;
  const gone: Operation = how === 'commit' ? 'delete' : 'insert';
  if (operation === gone) return null;
  return { image: how === 'commit' ? row.image : imageBefore(row), version: row.version, pending: null };
}
