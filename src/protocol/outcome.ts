/**
 * What one versioned request (put or delete at external version `v`) came to. The classifier in
 * `elasticsearch/outcome.classifier.ts` makes these of answers and exceptions; the writer only ever sees these.
 */
export type IndexOutcome =
  /** Elasticsearch took the request: the slot holds what was sent. */
  | { readonly kind: 'applied' }
  /** 409: the slot, or a newer one, was already taken. Says nothing about by whom. */
  | { readonly kind: 'conflict' }
  /** 4xx, or dropped by an ingest pipeline: certainly not applied, and the same request will be refused again. */
  | { readonly kind: 'refused'; readonly status: number; readonly type: string; readonly reason: string }
  /**
   * Not applied now, worth another try. `certain: true`: the connection was never made, or 429 for the whole request.
   * `certain: false`: 503 from Elasticsearch itself, or 429 for an item of a bulk. Its coordinating node retries on its own
   * when a primary goes away, so an earlier inner try may have been applied: only the race for the slot can say.
   * `denied: true`: who asks is refused (401, 403), or the index is closed to writes; the document had no part in it. The same request
   * will be taken once a person has acted, so it is not sent again at once, and no row is parked for it.
   */
  | {
      readonly kind: 'unavailable';
      readonly certain: boolean;
      readonly denied?: true;
      readonly reason: string;
      readonly cause?: unknown;
    }
  /** Timeout, reset, 502, 504, a proxy's 503, an unreadable answer: it may have been applied, or be applied later. */
  | { readonly kind: 'unknown'; readonly reason: string; readonly cause?: unknown };

/** A versioned request for one document. */
export interface DocumentWrite {
  readonly id: string;
  readonly version: number;
  /** The document as JSON text, or null to delete it at this version. */
  readonly body: string | null;
}
