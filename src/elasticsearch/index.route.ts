/**
 * Where the documents of an alias are kept at the moment. Ordinarily that is the alias itself. While an index is being exchanged
 * (see docs/reindex.md) there are two: requests then name each index by an alias of its own, so that one which is late never
 * lands in the other.
 */
export interface IndexRoute {
  /** The register that decides writes. */
  readonly decider: string;
  /** Gets what the decider has taken, at the same versions. Null where there is none. */
  readonly follower: string | null;
  /**
   * Writes prepared before this version must not be sent to this decider any more: the index was exchanged since, and their rows were
   * settled before. 0 where there is no such limit.
   */
  readonly sinceVersion: number;
}

/** `prepared`: a write of this process. `settling`: a look, or what somebody does about a row that he has just read. */
export type RouteUse = 'prepared' | 'settling';

/** Documents that the follower did not get. */
export interface MissedDocuments {
  readonly count: number;
  /** One of them, and why. */
  readonly reason: string;
}

/** Knows the routes of the application's aliases. */
export interface IndexRoutes {
  /**
   * The route to work by now; at once where what is known of it is fresh enough. `version`: the highest one of the writes.
   * Rejects where it cannot be learned, and for `prepared` writes while the index is being exchanged.
   */
  route(alias: string, use: RouteUse, version?: number): IndexRoute | Promise<IndexRoute>;
  /** Null where writes may begin; else a promise that resolves once they may, or rejects about `timeoutMs` after that was asked. */
  barrier(alias: string, timeoutMs: number): Promise<void> | null;
  /** Remembers, durably, that the follower lacks something: the indices must not be exchanged before it was compared again. */
  missed(alias: string, missed: MissedDocuments): Promise<void>;
}

/** The alias that one index has while it is exchanged: a request to it can only land in that index. */
export function seatOf(index: string): string {
  return `${index}.seat`;
}
