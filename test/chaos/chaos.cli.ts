import 'reflect-metadata';
import { rmSync, writeFileSync } from 'node:fs';
import { ChaosRun } from './chaos.coordinator.js';
import type { ChaosOutcome, ChaosProgress } from './chaos.outcome.js';
import { parseChaosOptions, USAGE, UsageError } from './chaos.options.js';

const PLAIN_LINE_EVERY_MS = 5_000;

/** A line that renews itself on a terminal, now and then a plain line elsewhere. */
class Console implements ChaosProgress {
  private readonly begun = performance.now();
  private lastAt = -Infinity;
  private open = false;

  say(line: string): void {
    this.endLine();
    process.stderr.write(`${line}\n`);
  }

  progress(text: string): void {
    const now = performance.now();
    const seconds = Math.round((now - this.begun) / 1_000);
    if (process.stderr.isTTY) {
      process.stderr.write(`\r\u001B[K${seconds} s: ${text}`);
      this.open = true;
    } else if (now - this.lastAt > PLAIN_LINE_EVERY_MS) {
      this.lastAt = now;
      process.stderr.write(`${seconds} s: ${text}\n`);
    }
  }

  private endLine(): void {
    if (this.open) process.stderr.write('\n');
    this.open = false;
  }
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    console.log(USAGE);
    return 0;
  }
  const options = parseChaosOptions(args);
  const ui = new Console();
  const outcome = await new ChaosRun(options, ui).run();
  if (options.json) writeFileSync(options.json, `${JSON.stringify(outcome.report)}\n`);
  tell(outcome, ui);
  if (outcome.clean && !options.keep) rmSync(outcome.folder, { recursive: true, force: true });
  else ui.say(`histories and logs: ${outcome.folder}`);
  console.log(JSON.stringify(outcome.report));
  return outcome.clean ? 0 : 1;
}

function tell({ judgement, report, parked, notes, failures, seconds }: ChaosOutcome, ui: ChaosProgress): void {
  const answers = Object.entries(judgement.answers).sort(([, a], [, b]) => b - a);
  for (const [answer, times] of answers) ui.say(`  ${String(times).padStart(8)}  ${answer}`);
  for (const note of notes) ui.say(`note: ${note}`);
  for (const failure of failures.slice(0, 20)) ui.say(`FAILED: ${failure}`);
  for (const { key, what } of judgement.differences.slice(0, 20)) ui.say(`different: ${key} ${what}`);
  for (const row of parked.slice(0, 20)) ui.say(`parked: ${row}`);
  if (judgement.badHistories[0])
    ui.say(`not linearizable, the smallest of ${report.nonLinearizable}:\n${judgement.badHistories[0]}`);
  ui.say(
    `${report.writes} writes and ${judgement.reads} reads in ${seconds} s, ${report.kills} kills: ` +
      `${report.lost} lost, ${report.divergent} divergent, ${report.stuck} stuck, ` +
      `${report.parkedWithoutCause} parked without cause, ${report.failures} failures of the run, ${report.nonLinearizable} of ${report.keysChecked} keys not linearizable`,
  );
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`);
    else console.error(error);
    process.exit(error instanceof UsageError ? 2 : 70);
  },
);
