import { BinlogPreflightError } from '../errors.js';
import type { SqlQuery } from '../mysql/table.introspection.js';
import { cascadeFindings } from './cascade.preflight.js';

export interface PreflightFinding {
  readonly setting: string;
  readonly found: string;
  readonly wanted: string;
  /** The statement, or the line of the server's configuration, that mends it. */
  readonly fix: string;
  /** With an `error` the backstop would miss or misread changes, and does not start. */
  readonly severity: 'error' | 'warning';
}

export interface PreflightOptions {
  /** The id that the backstop will read the log with. */
  readonly serverId?: number;
  /** The log should reach back so far, or a stop over a weekend costs a verification. Default two days. */
  readonly minRetentionSeconds?: number;
  /** The watched tables, `database.table`: whether foreign keys change them unseen. */
  readonly tables?: readonly string[];
}

const TWO_DAYS = 2 * 86_400;
const MAX_SERVER_ID = 4_294_967_295;
const VARIABLES = [
  'server_id',
  'log_bin',
  'binlog_format',
  'binlog_row_image',
  'binlog_row_metadata',
  'binlog_row_value_options',
  'binlog_transaction_compression',
  'gtid_mode',
  'enforce_gtid_consistency',
  'binlog_expire_logs_seconds',
  'binlog_expire_logs_auto_purge',
] as const;
type Settings = Readonly<Record<(typeof VARIABLES)[number], string | undefined>>;

/** Access denied, for want of REPLICATION CLIENT or REPLICATION SLAVE. */
const DENIED = new Set([1227, 1142, 1044]);

/**
 * Looks at the server's settings and at the rights of the user, and lists what does not fit, errors first. The user needs
 * REPLICATION SLAVE, REPLICATION CLIENT and SELECT, which suffice for this too. Changes nothing.
 */
export async function preflight(query: SqlQuery, options: PreflightOptions = {}): Promise<PreflightFinding[]> {
  const settings = await readSettings(query);
  const findings = [
    ...settingFindings(settings),
    ...retentionFindings(settings, options.minRetentionSeconds ?? TWO_DAYS),
    ...(await grantFindings(query)),
    ...(await serverIdFindings(query, settings, options.serverId)),
    ...(await cascadeFindings(query, options.tables ?? [])),
  ];
  return findings.sort((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));
}

/** As `preflight`, and throws `BinlogPreflightError`, which lists them all, when there is an error among the findings. */
export async function requirePreflight(query: SqlQuery, options: PreflightOptions = {}): Promise<PreflightFinding[]> {
  const findings = await preflight(query, options);
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) {
    const lines = errors.map(
      ({ setting, found, wanted, fix }) => `- ${setting} is ${found}, wanted: ${wanted}. ${fix}`,
    );
    throw new BinlogPreflightError(`The binlog backstop cannot rely on this MySQL server:\n${lines.join('\n')}`, {
      findings,
    });
  }
  return findings;
}

async function readSettings(query: SqlQuery): Promise<Settings> {
  const names = VARIABLES.map((name) => `'${name}'`).join(', ');
  const rows = await query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`);
  return Object.fromEntries(rows.map((row) => [row.Variable_name, String(row.Value)])) as Settings;
}

function settingFindings(settings: Settings): PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  const want = (setting: keyof Settings, wanted: string, severity: 'error' | 'warning', fix: string): void => {
    const found = settings[setting];
    // A server that does not know a setting does not do what it switches on.
    if (found === undefined || found.toUpperCase() === wanted) return;
    findings.push({
      setting,
      found: found === '' ? "''" : found,
      wanted: wanted === '' ? "''" : wanted,
      fix,
      severity,
    });
  };
  const persist = (setting: string, value: string): string => `SET PERSIST ${setting} = ${value};`;
  want('log_bin', 'ON', 'error', 'Start mysqld with: log-bin = binlog');
  want('binlog_format', 'ROW', 'error', persist('binlog_format', 'ROW'));
  want('binlog_row_image', 'FULL', 'error', persist('binlog_row_image', 'FULL'));
  want('binlog_row_metadata', 'FULL', 'error', persist('binlog_row_metadata', 'FULL'));
  want('binlog_row_value_options', '', 'error', persist('binlog_row_value_options', "''"));
  want('gtid_mode', 'ON', 'error', gtidSteps(settings.gtid_mode));
  want('enforce_gtid_consistency', 'ON', 'error', persist('enforce_gtid_consistency', 'ON'));
  // They are decoded, at a price.
  want('binlog_transaction_compression', 'OFF', 'warning', persist('binlog_transaction_compression', 'OFF'));
  return findings;
}

const GTID_MODES = ['OFF', 'OFF_PERMISSIVE', 'ON_PERMISSIVE', 'ON'];

/** It can be changed by one step at a time only, and not to ON before consistency is enforced. */
function gtidSteps(mode = 'OFF'): string {
  const steps = GTID_MODES.slice(GTID_MODES.indexOf(mode.toUpperCase()) + 1);
  return [
    'SET PERSIST enforce_gtid_consistency = ON;',
    ...steps.map((step) => `SET PERSIST gtid_mode = ${step};`),
  ].join(' ');
}

function retentionFindings(settings: Settings, minSeconds: number): PreflightFinding[] {
  const seconds = Number(settings.binlog_expire_logs_seconds ?? 0);
  // 0 keeps the log for ever, and so does switching off its purge.
  const kept = seconds === 0 || settings.binlog_expire_logs_auto_purge?.toUpperCase() === 'OFF';
  if (kept || seconds >= minSeconds) return [];
  return [
    {
      setting: 'binlog_expire_logs_seconds',
      found: String(seconds),
      wanted: `at least ${minSeconds}`,
      fix: `SET PERSIST binlog_expire_logs_seconds = ${minSeconds};`,
      severity: 'warning',
    },
  ];
}

/**
 * Tried instead of read: SHOW GRANTS can spell one right in a dozen ways (roles, ALL, partial revokes).
 * REPLICATION CLIENT is for the state of the log, REPLICATION SLAVE for its events.
 */
async function grantFindings(query: SqlQuery): Promise<PreflightFinding[]> {
  const [{ account }] = (await query('SELECT CURRENT_USER() AS account')) as [{ account: string }];
  // A user's name may have an @ in it.
  const at = account.lastIndexOf('@');
  const user = [account.slice(0, at), account.slice(at + 1)].map((part) => `'${part.replaceAll("'", "''")}'`).join('@');
  const missing = async (right: string, statement: string): Promise<PreflightFinding[]> => {
    if (!(await isDenied(query, statement))) return [];
    const fix = `GRANT ${right} ON *.* TO ${user};`;
    return [{ setting: `grants of ${account}`, found: `without ${right}`, wanted: right, fix, severity: 'error' }];
  };
  return [
    ...(await missing('REPLICATION CLIENT', 'SHOW BINARY LOGS')),
    ...(await missing('REPLICATION SLAVE', 'SHOW REPLICAS')),
  ];
}

async function isDenied(query: SqlQuery, statement: string): Promise<boolean> {
  try {
    await query(statement);
    return false;
  } catch (error) {
    const { errno, driverError } = error as { errno?: number; driverError?: { errno?: number } };
    // Anything else (no binary log at all) has a finding of its own.
    return DENIED.has(errno ?? driverError?.errno ?? 0);
  }
}

async function serverIdFindings(query: SqlQuery, settings: Settings, serverId?: number): Promise<PreflightFinding[]> {
  if (serverId === undefined) return [];
  const finding = (found: string): PreflightFinding[] => [
    {
      setting: 'serverId',
      found,
      wanted: `a number from 1 to ${MAX_SERVER_ID} that nobody else has`,
      fix: 'Set the option `serverId` to another number.',
      severity: 'error',
    },
  ];
  if (!Number.isInteger(serverId) || serverId < 1 || serverId > MAX_SERVER_ID) return finding(String(serverId));
  if (String(serverId) === settings.server_id) return finding(`${serverId}, the server's own`);
  // Without the right there is a finding already.
  const replicas = await query('SHOW REPLICAS').catch(() => []);
  const taken = replicas.find((row) => Number(row.Server_Id) === serverId);
  return taken ? finding(`${serverId}, which the replica at ${taken.Host || 'an unknown host'} has`) : [];
}
