export { ConsistentHealthIndicator } from './consistent.health.js';
export { ConsistentHealthModule } from './health.module.js';
export type { ConsistentHealthOptions } from './health.options.js';
export type { StatusThresholds } from '../status/status.judgement.js';
