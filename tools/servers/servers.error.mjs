/** What the servers tool throws on purpose: what is missing, and the command or setting that fixes it. */
export class ServersError extends Error {
  /**
   * @param {string} problem one sentence without a full stop
   * @param {string} fix a command or setting
   * @param {unknown} [cause]
   */
  constructor(problem, fix, cause) {
    super(`${problem}\n  to fix: ${fix}`, cause === undefined ? undefined : { cause });
    this.name = 'ServersError';
    this.fix = fix;
  }
}

/**
 * @param {unknown} error
 * @returns {string}
 */
export function reasonOf(error) {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  return error.message || String(/** @type {NodeJS.ErrnoException} */ (error).code ?? error.name);
}
