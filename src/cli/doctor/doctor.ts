import type { Inspection } from '../inspect/inspected.types.js';
import { backstopFindings } from './backstop.doctor.js';
import type { Finding } from './finding.js';
import { grantFindings } from './grant.doctor.js';
import { indexFindings } from './index.doctor.js';
import { serverFindings } from './server.doctor.js';
import { tableFindings } from './table.doctor.js';

/**
 * Everything that keeps the library from working, or from being right, errors first. Changes nothing.
 * @param wantsBackstop looks at the binary log too, where the application does not say whether it has a backstop
 */
export async function examine(inspection: Inspection, wantsBackstop: boolean, signal: AbortSignal): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const dataSource of inspection.dataSources.values()) {
    signal.throwIfAborted();
    findings.push(...(await serverFindings(dataSource)));
  }
  for (const table of inspection.tables) {
    signal.throwIfAborted();
    const found = await tableFindings(table, inspection.options.bypassGuard);
    findings.push(...found.findings);
    if (found.exists) findings.push(...(await grantFindings(table, inspection, wantsBackstop)));
    if (inspection.client && table.alias) {
      findings.push(...(await indexFindings(inspection.client, table, inspection.options)));
    }
  }
  if (wantsBackstop) findings.push(...(await backstopFindings(inspection, signal)));
  return unique(findings).toSorted((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));
}

/** Several tables of one database lack the same right. */
function unique(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((one) => [`${one.subject}\n${one.problem}`, one])).values()];
}
