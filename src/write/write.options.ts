import { InvalidOptionsError } from '../errors.js';
import { MAX_VERSION } from '../protocol/row.js';
import { wholeNumber } from '../whole.number.js';

export interface PrepareOptions {
  /**
   * Optimistic concurrency: refuse unless the row is at this version, which is `entity.consistency.version` of what was read. A whole
   * number. Default, also for `undefined`: whatever version it is at.
   */
  readonly expectedVersion?: number;
}

/**
 * Throws `InvalidOptionsError`. A version that no row can have would look like another's write; a name that is not known, like a
 * check that was made.
 */
export function checkWriteOptions(options: PrepareOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionsError(
      `The options of a write are an object, such as { expectedVersion }, not ${typeof options}.`,
    );
  }
  for (const name of Object.keys(options)) {
    if (name === 'expectedVersion') continue;
    throw new InvalidOptionsError(`A write has no option "${name}"; there is only expectedVersion.`, { option: name });
  }
  const { expectedVersion } = options;
  if (expectedVersion !== undefined) wholeNumber('expectedVersion', expectedVersion, 0, MAX_VERSION);
}
