/** One wait that must end. */
interface Wait {
  /** By `performance.now()`. */
  readonly endsAt: number;
  readonly end: () => void;
}

/**
 * Ends waits of one length. A statement is sent many thousand times for each time that its limit is reached, so a wait is an
 * entry in a list, and all of them share one timer: waits of one length end in the order in which they began.
 */
class TimeWatch {
  private readonly waits = new Set<Wait>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly timeoutMs: number,
    private readonly idle: () => void,
  ) {}

  add(end: () => void): Wait {
    const wait = { endsAt: performance.now() + this.timeoutMs, end };
    this.waits.add(wait);
    if (!this.timer) this.arm(this.timeoutMs);
    return wait;
  }

  delete(wait: Wait): void {
    this.waits.delete(wait);
  }

  private arm(ms: number): void {
    this.timer = setTimeout(() => this.endLate(), ms);
    // It outlasts its waits. What they wait for is a socket, which keeps the process alive by itself.
    this.timer.unref();
  }

  private endLate(): void {
    this.timer = undefined;
    const now = performance.now();
    const late: Wait[] = [];
    for (const wait of this.waits) {
      if (wait.endsAt > now) {
        this.arm(Math.ceil(wait.endsAt - now));
        break;
      }
      late.push(wait);
    }
    for (const wait of late) this.waits.delete(wait);
    // Last: who is told may begin to wait anew.
    for (const { end } of late) end();
    if (!this.timer) this.idle();
  }
}

/** By their length: there are as many as there are limits in the options. */
const watches = new Map<number, TimeWatch>();

/** What `work` comes to, or what `late` throws once `timeoutMs` are over. */
export function within<T>(work: Promise<T>, timeoutMs: number, late: () => T): Promise<T> {
  if (timeoutMs === Infinity) return work;
  const watch = watchOf(timeoutMs);
  return new Promise<T>((resolve, reject) => {
    const wait = watch.add(() => {
      try {
        resolve(late());
      } catch (error) {
        reject(error as Error);
      }
    });
    work.then(
      (value) => {
        watch.delete(wait);
        resolve(value);
      },
      (error: unknown) => {
        watch.delete(wait);
        reject(error as Error);
      },
    );
  });
}

function watchOf(timeoutMs: number): TimeWatch {
  const known = watches.get(timeoutMs);
  if (known) return known;
  const made = new TimeWatch(timeoutMs, () => watches.delete(timeoutMs));
  watches.set(timeoutMs, made);
  return made;
}
