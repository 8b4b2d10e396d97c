export { BackstopModule } from './backstop.module.js';
export type { BackstopModuleAsyncOptions } from './backstop.module.js';
export type { BackstopModuleOptions, BackstopStart } from './backstop.options.js';
export { BackstopService } from './backstop.service.js';
export { getBackstopToken } from './backstop.token.js';
export type { BackstopState, BackstopStatus, BackstopTableStatus } from './backstop.status.js';
export type { AdoptionCounts, RefusedDocument } from './adoption.table.js';
export type { BinlogCoordinates, BinlogPosition } from './binlog.types.js';
