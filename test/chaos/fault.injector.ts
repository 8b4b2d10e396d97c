import { setTimeout as sleep } from 'node:timers/promises';
import { type Fault, FaultProxy, type RequestMatch } from '../../src/testing/index.js';
import type { Episode, IndexFault, IndexRequests, MysqlFault, Statements, Store } from './fault.schedule.js';

/** One process's ways to its stores. They outlive the process: what it sent may arrive after its death. */
export class WorkerProxies {
  readonly elasticsearch: FaultProxy;
  readonly mysql: FaultProxy;
  private closed = false;

  constructor(elasticsearchUrl: string, mysqlUrl: string) {
    this.elasticsearch = new FaultProxy(elasticsearchUrl);
    this.mysql = new FaultProxy(mysqlUrl);
  }

  async start(): Promise<void> {
    await Promise.all([this.elasticsearch.start(), this.mysql.start()]);
  }

  /** Lets the fault happen and takes it away again. Resolves when it is over. */
  async play(episode: Extract<Episode, { kind: 'index fault' | 'mysql fault' | 'refuse' }>): Promise<void> {
    if (episode.kind === 'refuse') return this.refuse(this[episode.store], episode.forMs);
    const ofIndex = episode.kind === 'index fault';
    const proxy = ofIndex ? this.elasticsearch : this.mysql;
    const fault = ofIndex ? indexFault(episode.fault, episode.forMs) : mysqlFault(episode.fault, episode.forMs);
    const match = ofIndex ? indexMatch(episode.requests) : mysqlMatch(episode.statements);
    const injection = proxy.inject(fault, { ...match, times: episode.times });
    await sleep(episode.forMs);
    injection.remove();
    if (fault.kind === 'hold') void proxy.release().catch(() => undefined);
  }

  /** A store whose process is gone: connections are refused, which proves that nothing was sent. */
  async storeIsDown(store: Store, until: Promise<unknown>): Promise<void> {
    await this[store].refuse();
    await until.catch(() => undefined);
    await this[store].start();
  }

  /** Ends all faults for good; what is held arrives now. */
  async heal(): Promise<void> {
    this.closed = true;
    for (const proxy of [this.elasticsearch, this.mysql]) {
      proxy.clear();
      void proxy.release().catch(() => undefined);
      await proxy.start();
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.elasticsearch.stop(), this.mysql.stop()]);
  }

  private async refuse(proxy: FaultProxy, forMs: number): Promise<void> {
    await proxy.refuse();
    await sleep(forMs);
    if (!this.closed) await proxy.start();
  }
}

function indexFault(fault: IndexFault, forMs: number): Fault {
  const status = Number.parseInt(fault, 10);
  const forward = fault.endsWith('forwarded');
  switch (fault) {
    case '429':
    case '503 of Elasticsearch':
    case '503 of Elasticsearch, forwarded':
      return elasticsearchAnswer(status, forward);
    case '502':
    case '502, forwarded':
    case '504':
    case '504, forwarded':
      return { kind: 'answer', status, forward, body: '<html>bad gateway</html>' };
    case 'garbage, forwarded':
      return { kind: 'garbage' };
    case 'half an answer':
      return { kind: 'stall-answer' };
    default:
      return mysqlFault(fault, forMs);
  }
}

function mysqlFault(fault: MysqlFault, forMs: number): Fault {
  switch (fault) {
    case 'delay the request':
      return { kind: 'delay', requestMs: forMs };
    case 'delay the answer':
      return { kind: 'delay', answerMs: forMs };
    case 'cut before':
      return { kind: 'cut-before', style: forMs % 2 === 0 ? 'reset' : 'close' };
    case 'cut after':
      return { kind: 'cut-after', style: forMs % 2 === 0 ? 'reset' : 'close' };
    case 'deliver late':
      return { kind: 'hold' };
    case 'black hole':
      return { kind: 'black-hole' };
  }
}

/** As Elasticsearch itself says it. */
function elasticsearchAnswer(status: number, forward: boolean): Fault {
  const type = status === 429 ? 'es_rejected_execution_exception' : 'unavailable_shards_exception';
  const error = { root_cause: [{ type, reason: 'injected' }], type, reason: 'injected' };
  return {
    kind: 'answer',
    status,
    forward,
    headers: { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' },
    body: JSON.stringify({ error, status }),
  };
}

function indexMatch(requests: IndexRequests): RequestMatch {
  if (requests === 'write') return { path: '/_bulk' };
  return requests === 'look' ? { path: /_mget|_doc/ } : {};
}

function mysqlMatch(statements: Statements): RequestMatch {
  if (statements === 'COMMIT') return { body: /^.{5}COMMIT$/s };
  return statements === 'flip' ? { body: /SET `consistency_state` = 'commit'|^.{5}DELETE FROM `item`/s } : {};
}
