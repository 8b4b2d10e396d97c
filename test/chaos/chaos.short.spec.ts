import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Profile } from './item.entity.js';
import { projectRoot } from './store.servers.js';

/** `CHAOS_WRITES` makes it longer or shorter, `CHAOS_SEED` another run. The other profiles get a fifth of it each. */
const writes = Number(process.env.CHAOS_WRITES ?? 20_000);
const seed = Number(process.env.CHAOS_SEED ?? 7);
/** A minute for the servers' start and restarts, and a slow machine's pace. */
const TIMEOUT_MS = 120_000 + writes * 60;

interface Ended {
  readonly status: number | null;
  readonly output: string;
}

/** As a person would run it: compiled, in processes of its own, on servers of its own. */
function runChaos(json: string, profile: Profile, writes: number): Promise<Ended> {
  const options = { writes, seed, profile, json };
  const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const args = ['run', '--silent', 'chaos', '--', ...given];
  const child = spawn('npm', args, { cwd: projectRoot(), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, output }));
  });
}

/** What was wrong, and where the histories are; the progress says nothing that helps. */
function verdictOf(output: string): string {
  const lines = output.split('\n').filter((line) => !/^\d+ s: \d+ of/.test(line));
  return lines.reverse().join('\n').slice(0, 8_000);
}

describe('chaos, short', () => {
  it.each([
    ['when', writes],
    ['plain', Math.ceil(writes / 5)],
    ['mysql', Math.ceil(writes / 5)],
  ] as const)(
    '%s: loses nothing and shows nobody two truths, whatever is cut, delayed or killed',
    async (profile, writes) => {
      const folder = mkdtempSync(join(tmpdir(), 'chaos-short-'));
      try {
        const json = join(folder, 'report.json');
        const { status, output } = await runChaos(json, profile, writes);
        if (status !== 0) throw new Error(`npm run chaos ended with ${status}:\n${verdictOf(output)}`);
        const report = JSON.parse(readFileSync(json, 'utf8')) as Record<string, number>;
        expect(report).toMatchObject({
          lost: 0,
          divergent: 0,
          stuck: 0,
          parkedWithoutCause: 0,
          nonLinearizable: 0,
          failures: 0,
        });
        expect(report.writes).toBeGreaterThanOrEqual(writes);
        expect(report.acknowledged).toBeGreaterThan(writes / 10);
        expect(report.kills).toBeGreaterThanOrEqual(2);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    TIMEOUT_MS,
  );
});
