import { ConsistentError } from '../errors.js';
import type { ConsistentEventMap, ConsistentEvents } from './consistent.events.js';
import type { Step, StepFacts, StepObserver } from './instruments.js';
import type { MetricsSet } from './metrics.set.js';

const MS_PER_SECOND = 1_000;

/** What an error counts as: a code of ours, or OTHER, so that no label's values are without bound. */
export function reasonOf(error: unknown): string {
  return error instanceof ConsistentError ? error.code : 'OTHER';
}

/** Times the steps. */
export class MetricsObserver implements StepObserver {
  constructor(private readonly metrics: MetricsSet) {}

  async run<T>(facts: StepFacts, body: () => Promise<T>, outcomeOf: (result: T) => string): Promise<T> {
    const began = performance.now();
    try {
      const result = await body();
      this.ended(facts, began, outcomeOf(result));
      return result;
    } catch (error) {
      const reason = reasonOf(error);
      this.ended(facts, began, reason);
      if (facts.step === 'prepare' && facts.rows === 1) {
        this.metrics.counter('refused').inc({ entity: facts.entity, datasource: facts.dataSource, reason });
      }
      throw error;
    }
  }

  batch(step: Step, entity: string, datasource: string, rows: number): void {
    this.metrics.histogram('batches').observe({ entity, datasource, step }, rows);
  }

  private ended(
    { step, entity, dataSource: datasource, rows, purpose }: StepFacts,
    began: number,
    outcome: string,
  ): void {
    const seconds = (performance.now() - began) / MS_PER_SECOND;
    if (step === 'settle') {
      const labels = { entity, datasource, purpose: purpose ?? 'none' };
      this.metrics.histogram('settleDuration').observe({ ...labels, outcome }, seconds);
      this.metrics.counter('settleRows').inc(labels, rows);
    } else {
      const size = rows === 1 ? 'one' : 'many';
      this.metrics.histogram('steps').observe({ entity, datasource, step, size, outcome }, seconds);
    }
  }
}

type Listeners = { [Name in keyof ConsistentEventMap]?: (event: ConsistentEventMap[Name][0]) => void };

/** Counts the events. Answers how to end it. */
export function countEvents(metrics: MetricsSet, events: ConsistentEvents): () => void {
  const listeners: Listeners = {
    written: ({ entity, dataSource: datasource, operation, outcome }) =>
      metrics.counter('writes').inc({ entity, datasource, operation, outcome }),
    settled: ({ entity, dataSource: datasource, verdict, by: purpose }) =>
      metrics.counter('settles').inc({ entity, datasource, verdict, purpose }),
    parked: ({ entity, dataSource: datasource, reason }) =>
      metrics.counter('parkings').inc({ entity, datasource, reason }),
    foreignVersion: ({ entity, dataSource: datasource }) =>
      metrics.counter('foreignVersions').inc({ entity, datasource }),
    swept: ({ entity, dataSource: datasource, claimed, settled, failed }) => {
      metrics.counter('sweeps').inc({ entity, datasource, outcome: failed > 0 ? 'failed' : 'ok' });
      for (const [result, rows] of Object.entries({ claimed, settled, failed })) {
        metrics.counter('sweptRows').inc({ entity, datasource, result }, rows);
      }
      metrics.gauge('lastSweep').set({ entity, datasource }, Date.now() / MS_PER_SECOND);
    },
  };
  const entries = Object.entries(listeners) as [keyof ConsistentEventMap, (event: unknown) => void][];
  for (const [name, listener] of entries) events.on(name, listener as never);
  return () => {
    for (const [name, listener] of entries) events.off(name, listener as never);
  };
}
