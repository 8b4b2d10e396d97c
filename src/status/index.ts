export { ConsistentStatusModule } from './status.module.js';
export type { ConsistentStatusOptions } from './status.options.js';
export { StatusReport } from './status.report.js';
export { StatusReportModule } from './status.report.module.js';
export { judge } from './status.judgement.js';
export type { Finding, FindingCode, StatusLevel, StatusThresholds, Verdict } from './status.judgement.js';
export type * from './status.types.js';
