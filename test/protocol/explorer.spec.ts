import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { explore, type Scenario } from './explorer/explorer.js';
import { History } from './explorer/history.js';
import { exploreMutant, FAR, mutantsPage } from './explorer/mutants.page.js';
import { MUTANTS } from './explorer/mutants.js';
import { SHIPPED } from './explorer/rules.js';
import { SHORT, WITHOUT_TOMBSTONES } from './explorer/scenarios.js';

/** A violation as a person reads it; empty when there is none. */
function told(name: string, { violation }: ReturnType<typeof explore>): string {
  return violation ? [`${name}: ${violation.what}`, ...violation.trace].join('\n  ') : '';
}

/**
 * Drives the shipped decisions through every interleaving of small scenarios. An end state must be linearizable, keep
 * every acknowledged write, and leave both stores equal after one more settler. See docs/protocol.md.
 */
describe('the protocol, explored', () => {
  it.each(SHORT.map((scenario) => [scenario.name, scenario] as const))('%s', (name, scenario: Scenario) => {
    const result = explore(scenario);
    expect(told(name, result)).toBe('');
    expect(result.complete).toBe(true);
    expect(result.states).toBeGreaterThan(1_000);
    expect(result.ends).toBeGreaterThan(5);
  });

  describe('needs tombstones to outlast every request', () => {
    it.each(WITHOUT_TOMBSTONES.map((scenario) => [scenario.name, scenario] as const))('%s', (_name, scenario) => {
      expect(explore(scenario).violation?.what).toMatch(/^the stores differ: row null/);
    });

    it.each(WITHOUT_TOMBSTONES.map((scenario) => [scenario.name, scenario] as const))(
      'unless they are documents: %s',
      (name, scenario) => {
        const result = explore({ ...scenario, durable: true });
        expect(told(name, result)).toBe('');
        expect(result.complete).toBe(true);
      },
    );
  });

  // Stale? npm run explore -- --docs
  it('is documented with the traces that it finds now', () => {
    expect(mutantsPage()).toBe(readFileSync(new URL('../../docs/mutants.md', import.meta.url), 'utf8'));
  });

  describe('catches', () => {
    it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s', (_name, mutant) => {
      const { violation } = exploreMutant(mutant);
      expect(violation).not.toBeNull();
      expect(violation!.trace.length).toBeGreaterThan(3);
    });

    it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('nothing without: %s', (name, { scenario }) => {
      expect(told(name, explore(scenario, SHIPPED, FAR))).toBe('');
    });
  });
});

/** The checker itself, on histories that are known to be good or bad. Process 0 writes 1 over 0, process 1 reads. */
describe("the explorer's history", () => {
  const writing = () => History.start([() => 1, undefined, undefined], 0).begin(0);

  it('lets a read beside a write see either value, and nothing else', () => {
    const reading = writing().begin(1);
    expect(reading.end(1, { row: 0 })).not.toBeNull();
    expect(reading.end(1, { row: 1 })).not.toBeNull();
    expect(reading.end(1, { row: 2 })).toBeNull();
  });

  it('forbids an old value after a new one was seen, or after the write was acknowledged', () => {
    const seen = writing().begin(1).end(1, { document: 1 })!.begin(2);
    expect(seen.end(2, { row: 0 })).toBeNull();
    const acknowledged = writing().end(0, 'done')!.begin(1);
    expect(acknowledged.end(1, { row: 0 })).toBeNull();
    expect(acknowledged.allows(0)).toBe(false);
  });

  it('forbids that a failed write is seen, and lets an unknown one take effect at any later time', () => {
    expect(writing().begin(1).end(1, { row: 1 })!.end(0, 'failed')).toBeNull();
    const unknown = writing().end(0, 'unknown')!.begin(1).end(1, { row: 0 })!.begin(2);
    expect(unknown.end(2, { row: 1 })).not.toBeNull();
    expect(unknown.allows(0)).toBe(true);
  });
});
