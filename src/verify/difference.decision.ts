import type { Presence } from '../protocol/row.js';
import type { DocumentView } from './document.scanner.js';
import type { DifferenceKind } from './verify.types.js';

/** A row in `commit`, and whether it has a document by rule. Null: there is no row. */
export type ComparedRow = { readonly version: number; readonly presence: Presence } | null;

/**
 * How a row in `commit` and its document differ, or null where they agree. `d` and `v` are their versions.
 *
 * | the document          | content   | marked at `d` | verdict    |                                                   |
 * |-----------------------|-----------|---------------|------------|---------------------------------------------------|
 * | there, no row for it  |           |               | `orphaned` |                                                   |
 * | not there             |           |               | `missing`  |                                                   |
 * | `d` = `v`             | same      |               | –          |                                                   |
 * | `d` < `v`             | same      |               | –          | a refused write used the version up               |
 * | `d` > `v`             | same      | yes           | –          | adopted from the row, or put back at a lift       |
 * | `d` > `v`             | same      | no            | `foreign`  | the row's next write would be refused             |
 * | `d` <= `v`            | different |               | `stale`    |                                                   |
 * | `d` > `v`             | different |               | `foreign`  |                                                   |
 *
 * Where contents were not read, `d` < `v` counts as `stale` until they are.
 */
export function decideDifference(row: ComparedRow, document: DocumentView): DifferenceKind | null {
  if (row === null || row.presence === 'absent') return document.found ? 'orphaned' : null;
  if (!document.found) return 'missing';
  const { version, restored, content } = document;
  if (version > row.version) return content !== 'different' && restored === version ? null : 'foreign';
  if (content === 'different') return 'stale';
  return content === 'unread' && version < row.version ? 'stale' : null;
}
