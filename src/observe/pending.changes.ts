/** Row changes of one transaction that are not in the index yet. A watermark's open tickets are such. */
export interface PendingChanges {
  /** When it was committed, ms since 1970 by MySQL's clock. */
  readonly committedAtMs: number;
  readonly rows: number;
}
