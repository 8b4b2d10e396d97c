/** Severities that no change is taken with; the others are told. */
const FAILING = new Set(['high', 'critical']);
/** Refused before anything was looked up, or never reached: the registry has no audit, or there is no network. */
const NO_AUDIT = new Set([403, 404, 405, 410, 501, 502, 503, 504]);
const NO_NETWORK =
  /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|network|timeout/i;

/**
 * @typedef {object} Verdict
 * @property {boolean} passes
 * @property {string[]} lines what to print
 */

/**
 * What `npm audit --json` said. A registry that has no audit, and a machine without network, are told and pass; findings of a high severity, and answers
 * that nobody understands, do not.
 * @param {string} stdout
 * @param {string} stderr
 * @returns {Verdict}
 */
export function judgeAudit(stdout, stderr) {
  const answer = parsed(stdout);
  if (answer === undefined)
    return { passes: false, lines: ['npm audit said nothing that can be read:', stderr.trim() || stdout.trim()] };
  const { vulnerabilities, metadata, message, statusCode } = answer;
  if (typeof vulnerabilities === 'object' && vulnerabilities !== null && metadata)
    return judged(vulnerabilities, metadata);
  const said =
    [message, answer.error?.code, answer.error?.summary, answer.error?.detail].filter(Boolean).join(' ') ||
    'no reason given';
  const unavailable = NO_AUDIT.has(statusCode) || (statusCode === undefined && NO_NETWORK.test(said));
  // Addresses of registries may hold a login.
  const reason = said.replaceAll(/\/\/[^\s/@]+@/g, '//…@');
  if (unavailable) return { passes: true, lines: [`audit not available: ${reason}`] };
  return { passes: false, lines: [`npm audit failed: ${reason}`] };
}

/**
 * @param {Record<string, {name: string, severity: string, via: (string | {title?: string, url?: string, severity?: string})[], range: string, nodes?: string[]}>} vulnerabilities
 * @param {{dependencies?: {total?: number}}} metadata
 * @returns {Verdict}
 */
function judged(vulnerabilities, metadata) {
  const found = Object.values(vulnerabilities);
  const lines = found.map(({ name, severity, via, range }) => {
    const causes = via.map((cause) => (typeof cause === 'string' ? `through ${cause}` : `${cause.title} ${cause.url}`));
    return `${severity}: ${name} ${range || '*'}: ${causes.join('; ')}`;
  });
  const failing = found.filter(({ severity }) => FAILING.has(severity));
  const total = metadata.dependencies?.total ?? 0;
  lines.push(
    `${found.length} of ${total} packages that users install have known vulnerabilities, ${failing.length} of them high or critical`,
  );
  return { passes: failing.length === 0, lines };
}

/** @param {string} text @returns {any} undefined where it is no object */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
