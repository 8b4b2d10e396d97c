import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { DEFAULT_PREFIX, type MetricDefinition, METRICS } from '../../src/observe/metrics.catalogue.js';
import { PromqlReader } from './metrics.promql.js';

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string };
}
interface Panel {
  title: string;
  type: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string }[];
}

const rules = (
  parse(readFileSync('observability/alerts.yml', 'utf8')) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);
const { panels } = JSON.parse(readFileSync('observability/grafana-dashboard.json', 'utf8')) as { panels: Panel[] };

/** Every name that a scrape can hold, with its labels. */
const exported = new Map<string, readonly string[]>();
for (const { name, type, labels } of Object.values<MetricDefinition>(METRICS)) {
  const full = DEFAULT_PREFIX + name;
  if (type !== 'histogram') exported.set(full, labels);
  else {
    exported.set(`${full}_bucket`, [...labels, 'le']);
    for (const suffix of ['_sum', '_count']) exported.set(full + suffix, labels);
  }
}
/** Prometheus itself adds these. */
const TARGET_LABELS = ['instance', 'job'];
const expressions = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
];

describe('alert rules and dashboard', () => {
  it.each(expressions)('%s: %s', (_title, expr) => {
    const { selectors, groupings } = new PromqlReader(expr);
    expect(selectors).not.toEqual([]);
    for (const { name, labels } of selectors) {
      expect([...exported.keys()]).toContain(name);
      expect([...exported.get(name)!, ...TARGET_LABELS]).toEqual(expect.arrayContaining([...labels]));
    }
    const known = selectors.flatMap(({ name }) => exported.get(name)!);
    expect([...known, ...TARGET_LABELS]).toEqual(expect.arrayContaining(groupings));
  });

  it('names of alerts are unique, and each says how grave it is and what happened', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { labels, annotations } of rules) {
      expect(['warning', 'critical']).toContain(labels.severity);
      expect(annotations.summary).toMatch(/\.$|blind\.$/);
    }
  });

  it('every metric is on the dashboard', () => {
    const shown = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)).join('\n');
    for (const { name } of Object.values(METRICS)) expect(shown).toContain(DEFAULT_PREFIX + name);
  });

  it('no two panels overlap', () => {
    for (const [at, one] of panels.entries()) {
      for (const other of panels.slice(at + 1)) {
        const [a, b] = [one.gridPos, other.gridPos];
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        expect({ one: one.title, other: other.title, apart }).toMatchObject({ apart: true });
      }
    }
  });
});

describe('the reader of PromQL', () => {
  it.each([
    'sum by (x (a)',
    'rate(a[5m)',
    'a{b=c}',
    'sum(a) nonsense',
    'a{b="c"',
    'a >',
    'unknown(a)',
    'rate(a[5 m])',
    '',
  ])('refuses %s', (expr) => {
    expect(() => new PromqlReader(expr)).toThrow();
  });

  it('finds metrics, matchers and groupings', () => {
    const read = new PromqlReader('sum by (x, le) (rate(a_b{c="d", e=~"f|g"}[5m])) > 0.5 or vector(0)');
    expect(read.selectors).toEqual([{ name: 'a_b', labels: ['c', 'e'] }]);
    expect(read.groupings).toEqual(['x', 'le']);
  });
});
