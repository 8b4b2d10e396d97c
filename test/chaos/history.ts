import { closeSync, openSync, writeSync } from 'node:fs';
import type { ItemState, ReadKind, WriteKind } from './item.model.js';

/** One machine-wide clock for all processes: CLOCK_MONOTONIC in ns. Date is not used: the run makes it jump. */
export const nowNs = (): number => Number(process.hrtime.bigint());

export type OperationKind = WriteKind | Extract<ReadKind, 'row' | 'live' | 'document'>;

/** Written before the operation begins: whatever happens then, that it was begun is known. */
export interface Invocation {
  readonly n: number;
  readonly t: number;
  readonly key: string;
  readonly kind: OperationKind;
  readonly value?: string;
  readonly listed?: boolean;
  readonly expected?: ItemState;
  /** How it was carried out, for people. */
  readonly via?: string;
}

/**
 * `ok`: a write that happened. `no`: one that certainly did not. `unknown`: nobody knows. `exists`, `missing`: a write
 * that did not happen because the row was there, or was not. `seen`: a read. `blind`: a read that told nothing.
 */
export type Result = 'ok' | 'no' | 'unknown' | 'exists' | 'missing' | 'seen' | 'blind';

export interface Answer {
  readonly result: Result;
  readonly seen?: ItemState;
  /** The row's version, where the answer or the error tells it. */
  readonly version?: number;
  /** The error's code. */
  readonly code?: string;
  /** The error's message, where it is not one of the library's usual ones. */
  readonly message?: string;
}

export interface Return extends Answer {
  readonly n: number;
  readonly t: number;
}

export type HistoryLine = Invocation | Return;

export function isReturn(line: HistoryLine): line is Return {
  return 'result' in line;
}

/**
 * Appends to one process's history. Every line is handed to the kernel before the call returns, so `kill -9` loses
 * nothing that was written.
 */
export class HistoryWriter {
  private readonly file: number;
  private serial = 0;

  constructor(path: string) {
    this.file = openSync(path, 'a');
  }

  /** The numbers that the answers are to name. */
  invoke(calls: readonly Omit<Invocation, 'n' | 't'>[]): number[] {
    const t = nowNs();
    const numbered = calls.map((call) => ({ n: ++this.serial, t, ...call }));
    this.write(numbered);
    return numbered.map(({ n }) => n);
  }

  answer(numbers: readonly number[], answers: readonly Answer[]): void {
    const t = nowNs();
    this.write(numbers.map((n, at) => ({ n, t, ...answers[at]! })));
  }

  close(): void {
    closeSync(this.file);
  }

  private write(lines: readonly HistoryLine[]): void {
    writeSync(this.file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }
}
