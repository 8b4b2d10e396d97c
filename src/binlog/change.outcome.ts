import type { ChangeWork } from './change.work.js';

/** What the parts that talk to Elasticsearch and MySQL report of one table's changes. */
export interface ChangeOutcomes {
  /** Done: the index is right about this row. `adopted`: a document was written or removed for it. */
  finished(work: ChangeWork, adopted: boolean): void;
  /** To be tried again after a pause. `doubtful`: what was sent may still land. */
  again(work: ChangeWork, doubtful: boolean, reason: string): void;
  /** Goes on in the lane of its new kind, at once. */
  onwards(work: ChangeWork): void;
  /** This row's document cannot be brought into the index; the others can. */
  refused(work: ChangeWork, reason: string): void;
  /** The index is not there. Nothing of this table can go on. */
  indexMissing(reason: string): void;
  /** The table is not as the entity maps it, or not there. */
  tableBroken(reason: string): void;
}
