/** Something that does not fit, and what mends it. */
export interface Finding {
  /** With an `error` the library does not start, or cannot keep its promise. */
  readonly severity: 'error' | 'warning';
  /** What it is about: a server, a table, an index. */
  readonly subject: string;
  readonly problem: string;
  /** A statement, a request, or what to do. */
  readonly fix: string;
}
