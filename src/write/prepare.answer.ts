import type { PreparedWrite } from './prepared.write.js';

/** The write must be prepared in a transaction of its own: its row is busy, or needs what only TypeORM does. */
export const SINGLY = Symbol('singly');

/** What became of one prepare that was tried without TypeORM. */
export type PrepareAnswer = PreparedWrite | typeof SINGLY | Error;
