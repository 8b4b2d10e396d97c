export { ConsistentMetricsModule } from './metrics.module.js';
export type { ConsistentMetricsOptions } from './metrics.options.js';
export { ConsistentMetrics } from './metrics.service.js';
