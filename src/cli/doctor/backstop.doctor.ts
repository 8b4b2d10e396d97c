import { checkedQuery } from '../inspect/log.query.js';
import { preflight } from '../../binlog/binlog.preflight.js';
import type { Inspection } from '../inspect/inspected.types.js';
import type { Finding } from './finding.js';

/** The settings of the binary log and the rights to read it, asked as the user that reads it. */
export async function backstopFindings(inspection: Inspection, signal: AbortSignal): Promise<Finding[]> {
  const findings = await checkedQuery(inspection, signal, (query) => preflight(query));
  return findings.map(({ setting, found, wanted, fix, severity }) => ({
    severity,
    subject: 'binary log',
    problem: `${setting} is ${found}, wanted: ${wanted}`,
    fix,
  }));
}
