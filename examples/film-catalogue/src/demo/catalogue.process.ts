import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Settled {
  readonly kind: 'settled';
  readonly verdict: 'commit' | 'restore';
  readonly by: 'read' | 'write' | 'sweep' | 'operator';
}

export type InstanceMessage = Settled | { readonly kind: 'ready'; readonly url: string };

/** What an HTTP call came to. `status` is 0 where the connection broke. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly seconds: number;
}

const REQUEST_TIMEOUT_MS = 30_000;
const SETTLE_TIMEOUT_MS = 60_000;

/** One instance of the application, running in its own process. */
export class CatalogueProcess {
  url = '';
  private said = '';
  private readonly settled: Settled[] = [];
  private onSettled: (() => void) | undefined;

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.said = (this.said + text).slice(-5_000)));
    }
    child.on('message', (message: InstanceMessage) => {
      if (message.kind !== 'settled') return;
      this.settled.push(message);
      this.onSettled?.();
    });
  }

  /** Resolves when it answers HTTP. Throws with its last words when it ends before. */
  static async start(env: NodeJS.ProcessEnv): Promise<CatalogueProcess> {
    const main = fileURLToPath(new URL('./instance.main.js', import.meta.url));
    const child = fork(main, [], { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    const instance = new CatalogueProcess(child);
    await new Promise<void>((resolve, reject) => {
      child.on('message', (message: InstanceMessage) => {
        if (message.kind !== 'ready') return;
        instance.url = message.url;
        resolve();
      });
      child.once('error', reject);
      child.once('close', () => reject(new Error(`the application ended before it was ready:\n${instance.said}`)));
    });
    return instance;
  }

  get pid(): number {
    return this.child.pid!;
  }

  async request(method: string, path: string, body?: unknown): Promise<Answer> {
    const begunAt = performance.now();
    const took = (): number => (performance.now() - begunAt) / 1_000;
    try {
      const response = await fetch(new URL(path, this.url), {
        method,
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      return { status: response.status, body: (await response.json()) as Answer['body'], seconds: took() };
    } catch (error) {
      const { cause } = error as { cause?: { code?: string } };
      return { status: 0, body: { message: cause?.code ?? (error as Error).message }, seconds: took() };
    }
  }

  /** What was settled since the last call; waits for something where nothing was yet. Null when nothing comes. */
  async nextSettled(): Promise<Settled | null> {
    if (this.settled.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, SETTLE_TIMEOUT_MS);
        this.onSettled = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.onSettled = undefined;
    }
    return this.settled.shift() ?? null;
  }

  /** As `kill -9`: no handler of the application runs. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  /** In good order; after ten seconds without it. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    if (this.child.connected) this.child.disconnect();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await gone;
    clearTimeout(timer);
  }
}
