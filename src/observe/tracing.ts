import type { Instruments } from './instruments.js';
import { type OpenTelemetryApi, TracingObserver } from './tracing.observer.js';

const TRACER = 'nest-consistent';

/** What stands for a provider until one is registered tells so by having no tracer of another's. */
interface Provider {
  getDelegateTracer?: (name: string) => unknown;
}

/**
 * Makes spans where `@opentelemetry/api` is installed and a tracer provider is registered by now, as it must be before the application
 * starts. Else nothing is observed, and nothing is paid. Answers how to end it.
 */
export async function traceSteps(instruments: Instruments): Promise<() => void> {
  const api = await loadApi();
  if (!api) return () => undefined;
  const provider = api.trace.getTracerProvider() as Provider;
  if (provider.getDelegateTracer && !provider.getDelegateTracer(TRACER)) return () => undefined;
  return instruments.add(new TracingObserver(api, api.trace.getTracer(TRACER)));
}

async function loadApi(): Promise<OpenTelemetryApi | null> {
  try {
    return await import('@opentelemetry/api');
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}
