/** Codes of the events that the backstop knows. */
export const enum Kind {
  Query = 2,
  Stop = 3,
  Rotate = 4,
  IntVar = 5,
  Rand = 13,
  UserVar = 14,
  Format = 15,
  Xid = 16,
  ExecuteLoad = 18,
  TableMap = 19,
  WriteRowsV1 = 23,
  UpdateRowsV1 = 24,
  DeleteRowsV1 = 25,
  Incident = 26,
  Heartbeat = 27,
  RowsQuery = 29,
  WriteRows = 30,
  UpdateRows = 31,
  DeleteRows = 32,
  Gtid = 33,
  AnonymousGtid = 34,
  PreviousGtids = 35,
  XaPrepare = 38,
  PartialUpdateRows = 39,
  TransactionPayload = 40,
  HeartbeatV2 = 41,
  TaggedGtid = 42,
}
/** They say nothing about rows, or a later event says what they meant. */
export const SILENT = new Set<number>([
  Kind.Stop,
  Kind.IntVar,
  Kind.Rand,
  Kind.UserVar,
  Kind.RowsQuery,
  Kind.PreviousGtids,
  9,
  17,
  28,
  36,
  37,
]);

/** Among them are the ends of transactions. */
export const ENDING = new Set<number>([Kind.Xid, Kind.Query, Kind.XaPrepare]);
