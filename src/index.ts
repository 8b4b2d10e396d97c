export { ConsistentModule, CONSISTENT_CLIENT } from './consistent.module.js';
export type { ConsistentFeatureOptions, ConsistentModuleAsyncOptions } from './consistent.module.js';
export type { BypassGuard, ConsistentModuleOptions } from './consistent.options.js';
export {
  Consistent,
  defineConsistentRepository,
  getConsistentRepositoryToken,
  InjectConsistentRepository,
} from './consistent.decorator.js';
export type { ConsistentEntityOptions, ConsistentRepositoryClass, DocumentBody } from './consistent.decorator.js';
export { isTombstone } from './elasticsearch/tombstone.codec.js';
export type { Tombstones } from './entity/tombstone.options.js';
export { ConsistentRepository } from './consistent.repository.js';
export type { WriteOptions } from './consistent.repository.js';
export { ConsistentService } from './consistent.service.js';
export type { TransactionOptions, VerifyTarget } from './consistent.service.js';
export type { KeptVerification, VerificationState } from './verify/verification.store.js';
export { VERIFICATION_INTERVAL } from './verify/verification.job.js';
export { verificationTableSql } from './verify/verification.store.js';
export type {
  Difference,
  DifferenceKind,
  VerifyCounts,
  VerifyDepth,
  VerifyOptions,
  VerifyProgress,
  VerifyResult,
} from './verify/verify.types.js';
export { reindexTableSql } from './reindex/reindex.store.js';
export type {
  FinishOptions,
  ReindexOptions,
  ReindexPhase,
  ReindexProblem,
  ReindexProgress,
  ReindexResult,
  ReindexStatus,
  RollbackOptions,
} from './reindex/reindex.types.js';
export { Consistency } from './consistency.columns.js';
export { ConsistentEvents } from './observe/consistent.events.js';
export type { ConsistentEventMap, SettlePurpose } from './observe/consistent.events.js';
export { ReadRepairInterceptor } from './settle/read-repair.interceptor.js';
export type { ReadOptions } from './settle/consistent.reader.js';
export { SWEEPER_INTERVAL } from './settle/sweeper.job.js';
export type { SweepResult } from './settle/sweeper.js';
export { ParkedRows } from './settle/parked.rows.js';
export type { ParkedOptions, RetryResult } from './settle/parked.rows.js';
export type { ParkedRow, ParkReason } from './mysql/parked.store.js';
export {
  addConsistencyColumns,
  checkpointTableSql,
  consistentColumnsDown,
  consistentColumnsUp,
  createCheckpointTable,
  createParkedTable,
  dropCheckpointTable,
  dropConsistencyColumns,
  dropParkedTable,
  parkedTableSql,
} from './mysql/consistent.migration.js';
export type { BatchOptions } from './write/batch.writer.js';
export type { ImportFailure, ImportOptions, ImportProgress, ImportResult } from './write/import.options.js';
export type { ImportSource } from './write/import.source.js';
export { UnitOfWork, UnitRepository } from './write/unit-of-work.js';
export type { UnitOutcome } from './write/unit-of-work.js';
export type { WriteOutcome } from './write/writer.js';
export type { Decider } from './protocol/row.js';
export {
  BarrierTimeoutError,
  CheckpointBehindError,
  ConsistentError,
  ImportStoppedError,
  IndexAccessError,
  IndexRejectedError,
  IndexUnavailableError,
  IndexMissingError,
  InvalidDocumentError,
  InvalidGtidSetError,
  InvalidOptionsError,
  InvalidSchemaError,
  LeadershipLostError,
  MappingConflictError,
  OutcomeUnknownError,
  OverloadedError,
  PartialWriteError,
  ProtocolBypassedError,
  ReadUnsettledError,
  ReindexInterruptedError,
  ReindexRefusedError,
  ReindexRunningError,
  ReindexStateError,
  RowBusyError,
  RowNotFoundError,
  RowParkedError,
  ShuttingDownError,
  StaleVersionError,
  StatementTimeoutError,
  UnsupportedOperationError,
  VerificationInterruptedError,
  VerificationRunningError,
  WriteAbortedError,
} from './errors.js';
