import type { DataSource } from 'typeorm';
import { SERVER_TIME_SQL, ServerClock } from '../../observe/server.clock.js';
import type { Finding } from './finding.js';

const LEAST_VERSION = [8, 0, 19] as const;
/** Far above what synchronised clocks and a slow network come to. */
const MAX_SKEW_MS = 2_000;

/** The server's version, its session's character set, its clock. */
export async function serverFindings(dataSource: DataSource): Promise<Finding[]> {
  const [facts] = (await dataSource.query(
    'SELECT VERSION() AS version, @@character_set_results AS charset, @@GLOBAL.read_only AS readOnly',
  )) as [{ version: string; charset: string; readOnly: unknown }];
  const findings: Finding[] = [];
  const find = (severity: Finding['severity'], problem: string, fix: string): void =>
    void findings.push({ severity, subject: 'MySQL', problem, fix });
  if (/mariadb/i.test(facts.version))
    find('error', `the server is MariaDB ${facts.version}`, 'Use MySQL 8.0.19 or newer.');
  else if (isOlder(facts.version)) find('error', `the server is MySQL ${facts.version}`, 'Upgrade to 8.0.19 or newer.');
  if (facts.charset !== 'utf8mb4') {
    find(
      'error',
      `the connection's character set is ${facts.charset}`,
      "Set charset: 'utf8mb4' in the DataSource's options.",
    );
  }
  if (Number(facts.readOnly) === 1) {
    find('warning', 'the server is read-only: a replica?', 'Name the primary, or SET GLOBAL read_only = OFF;');
  }
  const skew = await skewFinding(dataSource);
  return skew ? [...findings, skew] : findings;
}

/** MySQL's clock decides; this machine's only shows in figures. A large difference means that one of both is wrong. */
async function skewFinding(dataSource: DataSource): Promise<Finding | null> {
  const clock = new ServerClock();
  await clock.measure(async () => {
    const [row] = (await dataSource.query(SERVER_TIME_SQL)) as [{ us: string }];
    return Number(row.us);
  });
  const skewMs = Math.abs(clock.offsetMs) - clock.uncertaintyMs;
  if (skewMs < MAX_SKEW_MS) return null;
  return {
    severity: 'warning',
    subject: 'MySQL',
    problem: `its clock is ${clock.offsetMs > 0 ? 'ahead of' : 'behind'} this machine's by ${Math.round(skewMs / 100) / 10} s`,
    fix: 'Synchronise both clocks (chrony, systemd-timesyncd). Versions come from the clock of MySQL: never set that back.',
  };
}

function isOlder(version: string): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [at, least] of LEAST_VERSION.entries()) {
    const part = parts[at] ?? 0;
    if (part !== least) return part < least;
  }
  return false;
}
