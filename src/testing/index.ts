export { FaultProxy } from './fault.proxy.js';
export type { CutStyle, Fault, Injection, RecordedRequest, RequestMatch } from './fault.types.js';
