/**
 * The steps that can be observed. `write` is the whole of a write, `sweep` one batch of a sweep, `backstop` one bulk of the
 * backstop.
 */
export const STEPS = ['write', 'prepare', 'index', 'flip', 'settle', 'sweep', 'backstop'] as const;
export type Step = (typeof STEPS)[number];

/** What is told of a step. Never keys, never values. */
export interface StepFacts {
  readonly step: Step;
  readonly entity: string;
  readonly dataSource: string;
  /** Rows that share it. */
  readonly rows: number;
  /** Of a settle: who asked. Of the backstop: put, look or mend. */
  readonly purpose?: string;
}

/** Somebody who watches the steps: metrics, traces. */
export interface StepObserver {
  /** Must call `body` once, at once, and answer what it answers. `outcomeOf` gives a short, bounded word. */
  run<T>(facts: StepFacts, body: () => Promise<T>, outcomeOf: (result: T) => string): Promise<T>;
  /** So many rows went into one statement or request. Must not throw. */
  batch?(step: Step, entity: string, dataSource: string, rows: number): void;
}

/** As far as an observed entity's binding is of interest here. */
interface Observed {
  readonly name: string;
  readonly dataSourceName: string;
}

const done = (): string => 'ok';

/**
 * Where observers hook in. Whoever carries out a step asks `active` first, in a method without closures: while nobody observes,
 * a step costs the reading of one property.
 */
export class Instruments {
  /** Whether anybody observes. */
  active = false;
  private observers: readonly StepObserver[] = [];

  /** Answers how to end it. Idempotent both ways. */
  add(observer: StepObserver): () => void {
    this.replace([...this.observers.filter((each) => each !== observer), observer]);
    return () => this.replace(this.observers.filter((each) => each !== observer));
  }

  run<T>(
    step: Step,
    { name, dataSourceName }: Observed,
    rows: number,
    body: () => Promise<T>,
    more: { readonly purpose?: string; readonly outcomeOf?: (result: T) => string } = {},
  ): Promise<T> {
    const { purpose, outcomeOf = done } = more;
    const facts: StepFacts = { step, entity: name, dataSource: dataSourceName, rows, ...(purpose ? { purpose } : {}) };
    const observed = this.observers.reduce<() => Promise<T>>(
      (inner, observer) => () => observer.run(facts, inner, outcomeOf),
      body,
    );
    return observed();
  }

  batch(step: Step, { name, dataSourceName }: Observed, rows: number): void {
    if (!this.active) return;
    for (const observer of this.observers) observer.batch?.(step, name, dataSourceName, rows);
  }

  private replace(observers: readonly StepObserver[]): void {
    this.observers = observers;
    this.active = observers.length > 0;
  }
}
