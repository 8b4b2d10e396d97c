import type { Attributes, Span, Tracer } from '@opentelemetry/api';
import { ConsistentError } from '../errors.js';
import type { StepFacts, StepObserver } from './instruments.js';

/** The parts of `@opentelemetry/api` that are used; the package is optional. */
export type OpenTelemetryApi = Pick<
  typeof import('@opentelemetry/api'),
  'context' | 'trace' | 'SpanStatusCode' | 'SpanKind'
>;

const INTERNAL_STEPS: ReadonlySet<string> = new Set(['write', 'sweep']);

/** A span for each step, as a child of what is under way. No keys, no values, no SQL in it. */
export class TracingObserver implements StepObserver {
  constructor(
    private readonly api: OpenTelemetryApi,
    private readonly tracer: Tracer,
  ) {}

  async run<T>(facts: StepFacts, body: () => Promise<T>, outcomeOf: (result: T) => string): Promise<T> {
    const { context, trace, SpanKind } = this.api;
    const kind = INTERNAL_STEPS.has(facts.step) ? SpanKind.INTERNAL : SpanKind.CLIENT;
    const span = this.tracer.startSpan(`consistent ${facts.step}`, { kind, attributes: attributesOf(facts) });
    try {
      const result = await context.with(trace.setSpan(context.active(), span), body);
      span.setAttribute('nest_consistent.outcome', outcomeOf(result));
      return result;
    } catch (error) {
      this.failed(span, error);
      throw error;
    } finally {
      span.end();
    }
  }

  /** The error's class and code only: messages name keys, and MySQL's may quote values. */
  private failed(span: Span, error: unknown): void {
    const code = error instanceof ConsistentError ? error.code : 'OTHER';
    const type = error instanceof Error ? error.name : 'Error';
    span.setAttributes({ 'nest_consistent.outcome': code, 'error.type': type });
    span.setStatus({ code: this.api.SpanStatusCode.ERROR, message: code });
  }
}

function attributesOf({ step, entity, dataSource, rows, purpose }: StepFacts): Attributes {
  return {
    'nest_consistent.step': step,
    'nest_consistent.entity': entity,
    'nest_consistent.datasource': dataSource,
    'nest_consistent.rows': rows,
    ...(purpose ? { 'nest_consistent.purpose': purpose } : {}),
  };
}
