import type { BeginPlace } from './backstop.begin.js';
import type { BinlogCoordinates } from './binlog.types.js';
import type { CheckpointNotes, CheckpointStore } from './checkpoint.store.js';

/** What is saved. */
export interface KeptState {
  /** The place before which everything is done. */
  low(): BinlogCoordinates | null;
  notes(): CheckpointNotes;
}

/** An idle position is saved so often: else the log before it could be purged. */
const IDLE_SAVE_MS = 30_000;

/** One leadership's checkpoint: claimed once, then saved where there is something to save. */
export class CheckpointKeeper {
  /** The notes have changed since they were saved. */
  dirty = true;
  /** Row changes that are done. */
  applied = 0;
  /** The place as it was saved last. */
  saved: BinlogCoordinates | null = null;
  private epoch = 0;
  private savedAtMs = -Infinity;
  private savedApplied = 0;

  constructor(
    private readonly checkpoints: CheckpointStore,
    private readonly who: { readonly name: string; readonly leader: string },
    private readonly state: KeptState,
  ) {}

  /** From here on whoever led before saves nothing. */
  async claim(): Promise<void> {
    this.epoch = await this.checkpoints.claim(this.who.name, this.who.leader);
  }

  /** What is to be verified is saved first: a crash in between must not forget it. */
  async begin({ at, back }: BeginPlace, checkpoint: BinlogCoordinates | null): Promise<void> {
    const { checkpoints, who, state } = this;
    if (checkpoint && back) {
      await checkpoints.save(who.name, this.epoch, checkpoint, state.notes());
      if (at) this.epoch = await checkpoints.rewind(who.name, at);
      else await checkpoints.forget(who.name);
      await this.claim();
    }
    if (at) await checkpoints.save(who.name, this.epoch, at, state.notes());
    this.saved = at;
  }

  /** The position alone moves with our own saves too: it is worth a save only now and then. */
  async save(always: boolean): Promise<void> {
    const at = this.state.low();
    if (!at || this.epoch === 0) return;
    const idle = performance.now() - this.savedAtMs < IDLE_SAVE_MS;
    const { applied } = this;
    if (!always && !this.dirty && applied === this.savedApplied && idle) return;
    this.dirty = false;
    await this.checkpoints.save(this.who.name, this.epoch, at, this.state.notes());
    this.savedApplied = applied;
    this.savedAtMs = performance.now();
    this.saved = at;
  }
}
