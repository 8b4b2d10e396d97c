import type { EntityContext } from '../entity/entity.context.js';
import type { Redriver } from '../settle/redriver.js';
import type { VerifyOptions, VerifyResult } from './verify.types.js';

/** Compares a table and its index while both are in use. */
export class Verifier {
  constructor(private readonly redriver: Redriver) {}

  /** @throws VerificationInterruptedError, VerificationRunningError */
  verify(context: EntityContext, options: VerifyOptions = {}): Promise<VerifyResult> {
    void this.redriver;
    void context;
    void options;
    throw new Error('not built yet');
  }
}
