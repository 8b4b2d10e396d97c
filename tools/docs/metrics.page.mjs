import { readFileSync } from 'node:fs';
import { transformSync } from '@swc/core';

const SOURCE = 'src/observe/metrics.catalogue.ts';
const INTRODUCTION = `# Metrics, traces, alerts

## Metrics

Needs [prom-client](https://github.com/siimon/prom-client) 15. The metrics go to the registry that the application serves already:

\`\`\`ts
import { Controller, Get, Header, Module } from '@nestjs/common';
import { ConsistentMetrics, ConsistentMetricsModule } from 'nest-consistent/metrics';

@Controller('metrics')
class MetricsController {
  constructor(private readonly metrics: ConsistentMetrics) {}

  @Get()
  @Header('Content-Type', 'text/plain; version=0.0.4')
  scrape(): Promise<string> {
    return this.metrics.registry.metrics();
  }
}

@Module({
  imports: [ConsistentMetricsModule.forRoot()], // beside ConsistentModule.forRoot(…)
  controllers: [MetricsController],
})
export class ObservabilityModule {}
\`\`\`

\`forRoot({ registry, prefix })\`: \`registry\` is prom-client's global one by default, \`prefix\` is \`nest_consistent_\`. Names that the registry has already are an
\`InvalidOptionsError\`. When the application ends, the metrics leave the registry.

- No label holds keys or values of rows: \`entity\` is the entity's name, \`datasource\` the DataSource's, \`backstop\` the backstop's. The others have a
  fixed set of values.
- Counters and durations are of this process. Rows in prepare, parked rows and verifications are read from MySQL, at most every 5 seconds however often
  somebody scrapes, one statement after the other for each kind, and every instance says the same: take the \`max\`, not the \`sum\`.
- A part that cannot be collected within 2 seconds is left out of the scrape and counted in \`scrape_errors_total\`; the others are there.
- Where neither metrics nor traces are on, a step costs the reading of one property.
`;

const CLOSING = `## Traces

Where \`@opentelemetry/api\` is installed and a tracer provider is registered before the application starts, each step is a span: \`consistent write\` with
\`consistent prepare\`, \`consistent index\` and \`consistent flip\` in it, \`consistent settle\`, \`consistent sweep\` (a batch that found rows) with its settle, and
\`consistent backstop\` (a bulk). There is nothing to switch on. Attributes: \`nest_consistent.step\`, \`.entity\`, \`.datasource\`, \`.rows\`, \`.purpose\`,
\`.outcome\`, and \`error.type\`: no keys, no values, no SQL, no messages of errors. Writes of a batch share their spans. Spans nest where a context manager is
registered, as OpenTelemetry's SDKs for Node do. Statements that several writers share are under the span of one of them.

## Alerts and dashboard

The package has \`observability/alerts.yml\` (rules for Prometheus) and \`observability/grafana-dashboard.json\` (import it into Grafana). Both are made for the
default prefix. A test checks that they name only metrics and labels that exist.

| alert | when |
| --- | --- |
| \`ConsistentRowsInPrepare\` | a row has been undecided for more than a minute |
| \`ConsistentParkedRows\` | rows are parked |
| \`ConsistentSweeperNotRunning\` | the sweeper is on in some instance, and no sweep has ended for three minutes |
| \`ConsistentBackstopDown\` | there are backstops, and none of them leads |
| \`ConsistentBackstopLag\` | the index lacks a change that is older than a minute |
| \`ConsistentBackstopNeedsVerification\` | tables wait for verification, or documents are refused |
| \`ConsistentVerificationDifferences\` | the last verification found differences that it did not repair |
| \`ConsistentUnknownOutcomes\` | more than 1 % of the writes end with an unknown outcome |
| \`ConsistentFiguresMissing\` | MySQL does not give the figures: alerts on them are blind |

Alerts compare what instances export. Where no instance is scraped none of them fires: watch \`up\` as well.
`;

/** @returns {Promise<string>} docs/metrics.md before formatting */
export async function metricsPage() {
  const { code } = transformSync(readFileSync(SOURCE, 'utf8'), {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'es6' },
    configFile: false,
    swcrc: false,
  });
  /** @type {{ METRICS: Record<string, import('../../src/observe/metrics.catalogue.js').MetricDefinition>, DEFAULT_PREFIX: string }} */
  const { METRICS, DEFAULT_PREFIX } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  const rows = Object.values(METRICS).map(({ name, type, labels, help }) => {
    const names = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${DEFAULT_PREFIX}${name}\` | ${type} | ${names} | ${help.replaceAll('|', '\\|')} |`;
  });
  return [INTRODUCTION, '| name | type | labels | meaning |', '| --- | --- | --- | --- |', ...rows, '', CLOSING].join(
    '\n',
  );
}
