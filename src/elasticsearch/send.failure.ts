import type { SendProgress } from './request.trace.js';

/** A request that failed, with what is known about how far it got. Internal: callers see outcomes. */
export class SendFailure extends Error {
  override readonly name = 'SendFailure';

  constructor(
    message: string,
    /** `never-sent` is proof that no byte of it left this process, nor ever will: see request.trace.ts. */
    readonly progress: SendProgress,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}
