import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../tools/demo/demo.cli.mjs', import.meta.url));

/** `npm run demo` as a child process, on the servers of MYSQL_URL and ELASTICSEARCH_URL. */
export class DemoRun {
  /** What it printed so far. */
  output = '';
  /** Its exit status. */
  readonly ended: Promise<number>;
  private onOutput: (() => void) | undefined;

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        this.onOutput?.();
      });
    }
    this.ended = once(child, 'close').then(([code]) => {
      this.onOutput?.();
      return code as number;
    });
  }

  static start(args: string[]): DemoRun {
    return new DemoRun(spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** Resolves when it has printed this. Throws with what it printed, if it ends before. */
  async said(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      if (this.child.exitCode !== null) throw new Error(`the demo ended without saying "${text}":\n${this.output}`);
      await new Promise<void>((resolve) => (this.onOutput = resolve));
    }
  }

  /** Where the application answers, after `--keep`; ends with a slash. */
  url(): string {
    return this.printed(/search page +(\S+)/);
  }

  /** What the comparison needs, as `--keep` prints it. */
  stores(): { mysqlUrl: string; elasticsearchUrl: string; index: string } {
    const [, elasticsearchUrl, index] = /^(.*)\/([^/]+)\/_search$/.exec(this.printed(/Elasticsearch +(http\S+)/))!;
    return { mysqlUrl: this.printed(/MySQL +(mysql:\S+)/), elasticsearchUrl: elasticsearchUrl!, index: index! };
  }

  /** Ctrl-C, and its exit status. Idempotent. */
  async end(): Promise<number> {
    if (this.child.exitCode === null) this.child.kill('SIGINT');
    return this.ended;
  }

  private printed(pattern: RegExp): string {
    const found = pattern.exec(this.output)?.[1];
    if (!found) throw new Error(`the demo did not print ${String(pattern)}:\n${this.output}`);
    return found;
  }
}
