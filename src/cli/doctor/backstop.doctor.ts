import { checkedQuery } from '../inspect/log.query.js';
import { preflight } from '../../binlog/binlog.preflight.js';
import type { Inspection } from '../inspect/inspected.types.js';
import type { Finding } from './finding.js';

/** The settings of each binary log that is followed and the rights to read it, asked as the user that reads it. */
export async function backstopFindings(inspection: Inspection, signal: AbortSignal): Promise<Finding[]> {
  const { backstops } = inspection;
  const all: Finding[] = [];
  for (const backstop of backstops.length > 0 ? backstops : [null]) {
    const tables = inspection.tables
      .filter(({ dataSourceName }) => dataSourceName === (backstop?.dataSource ?? 'default'))
      .map(({ database, tableName }) => `${database}.${tableName}`);
    const findings = await checkedQuery(inspection, backstop, signal, (query) => preflight(query, { tables }));
    const subject = backstops.length > 1 ? `binary log of the DataSource ${backstop!.dataSource}` : 'binary log';
    for (const { setting, found, wanted, fix, severity } of findings) {
      all.push({ severity, subject, problem: `${setting} is ${found}, wanted: ${wanted}`, fix });
    }
  }
  return all;
}
