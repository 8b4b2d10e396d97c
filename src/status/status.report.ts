import type { Client } from '@elastic/elasticsearch';
import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { ConsistentRegistry } from '../consistent.registry.js';
import type { EntityContext } from '../entity/entity.context.js';
import { type BackstopWatch, backstopSummaries } from './backstop.summary.js';
import { type DatabaseSections, DatabaseReader } from './database.reader.js';
import { DocumentCounter } from './document.counter.js';
import type { Answer, EntityStatus, ParkedSummary, StatusData, SweepSummary } from './status.types.js';
import { type ProbeOptions, StoreProbe } from './store.probe.js';

const MAX_ENTITIES = 200;
const TTL_MS = 1_000;
/** Below the second that a probe usually has. */
const PATIENCE_MS = 900;
const PING: ProbeOptions = { ttlMs: TTL_MS, patienceMs: PATIENCE_MS, timeoutMs: 5_000 };
const SECTIONS: ProbeOptions = { ttlMs: 2 * TTL_MS, patienceMs: PATIENCE_MS, timeoutMs: 5_000 };
const DOCUMENTS: ProbeOptions = { ttlMs: 5 * TTL_MS, patienceMs: PATIENCE_MS, timeoutMs: 5_000 };

interface Database {
  readonly name: string;
  readonly probe: StoreProbe;
  readonly reader: DatabaseReader;
}

interface Swept extends Omit<SweepSummary, 'agoMs'> {
  readonly at: number;
}

/**
 * What can be seen of both stores from here, for the status page, health checks and the command line. Plain data of bounded
 * size, at most a second old; what one part cannot say takes nothing else down. Asks one question at a time of each
 * database, whoever looks.
 */
@Injectable()
export class StatusReport {
  private readonly elasticsearch: StoreProbe;
  private readonly documents: DocumentCounter;
  private readonly databases = new Map<DataSource, Database>();
  private readonly swept = new Map<string, Swept>();
  private readonly leaderless: BackstopWatch = new Map();
  private latest: StatusData | undefined;
  private madeAt = -Infinity;
  private flight: Promise<StatusData> | undefined;

  constructor(
    private readonly registry: ConsistentRegistry,
    client: Client,
  ) {
    this.elasticsearch = StoreProbe.ofElasticsearch(client, PING);
    this.documents = new DocumentCounter(client, () => this.contexts().map(({ binding }) => binding.alias), DOCUMENTS);
    registry.events.on('swept', ({ entity, claimed, settled, failed }) => {
      this.swept.set(entity, { at: performance.now(), claimed, settled, failed });
    });
  }

  /** Never throws; takes about a second at most, whatever the stores do. */
  read(): Promise<StatusData> {
    if (this.latest && performance.now() - this.madeAt < TTL_MS) return Promise.resolve(this.latest);
    this.flight ??= this.make().then((data) => {
      this.latest = data;
      this.madeAt = performance.now();
      this.flight = undefined;
      return data;
    });
    return this.flight;
  }

  private contexts(): readonly EntityContext[] {
    return this.registry.all().slice(0, MAX_ENTITIES);
  }

  private async make(): Promise<StatusData> {
    const databases = this.knownDatabases();
    const [stores, sections, documents] = await Promise.all([
      Promise.all([...databases.map(({ probe }) => probe.read()), this.elasticsearch.read()]),
      Promise.all(databases.map(async ({ name, reader }) => [name, await reader.part.read()] as const)),
      this.documents.part.read(),
    ]);
    const byName = new Map(sections);
    const contexts = this.contexts();
    const { sweeper } = this.registry.options;
    return {
      atMs: Date.now(),
      uptimeMs: Math.round(process.uptime() * 1_000),
      stores,
      entities: contexts.map((context) => this.entity(context, byName, documents)),
      entitiesLeftOut: this.registry.all().length - contexts.length,
      parked: sections.flatMap(([, answer]) => parkedOf(answer)),
      sweeper: { here: sweeper !== false, intervalMs: sweeper ? sweeper.intervalMs : null },
      backstops: backstopSummaries(this.registry.backstops, byName, this.leaderless),
    };
  }

  /** Entities are registered while the application starts. */
  private knownDatabases(): Database[] {
    for (const { binding } of this.contexts()) {
      const { dataSource, dataSourceName: name } = binding;
      if (this.databases.has(dataSource)) continue;
      const bindings = () =>
        this.contexts()
          .map((context) => context.binding)
          .filter((each) => each.dataSource === dataSource);
      const probe = StoreProbe.ofMysql(name, dataSource, PING);
      this.databases.set(dataSource, {
        name,
        probe,
        reader: new DatabaseReader(name, dataSource, bindings, SECTIONS),
      });
    }
    return [...this.databases.values()];
  }

  private entity(
    { binding }: EntityContext,
    sections: ReadonlyMap<string, Answer<DatabaseSections>>,
    documents: Answer<ReadonlyMap<string, Answer<number>>>,
  ): EntityStatus {
    const path = binding.metadata.tablePath;
    const answer = sections.get(binding.dataSourceName)!;
    const database = <T>(pick: (data: DatabaseSections) => Answer<T>): Answer<T> =>
      answer.ok ? pick(answer.data) : answer;
    const swept = this.swept.get(binding.name);
    return {
      entity: binding.name,
      dataSource: binding.dataSourceName,
      table: path,
      index: binding.alias,
      rows: database(({ estimates }) => pick(estimates, (all) => all.get(path) ?? 0)),
      documents: documents.ok ? (documents.data.get(binding.alias) ?? NOT_ASKED) : documents,
      prepare: database(({ prepares }) => prepares.get(path) ?? NOT_ASKED),
      parked: database(({ parkedCounts }) => pick(parkedCounts, (all) => all.get(path) ?? 0)),
      verification: database(({ verifications }) => pick(verifications, (all) => all.get(path) ?? null)),
      lastSweep: swept ? sweepOf(swept) : null,
    };
  }
}

/** Of an entity that was registered after the question was sent. */
const NOT_ASKED = { ok: false, error: 'NO_ANSWER' } as const;

function sweepOf({ at, claimed, settled, failed }: Swept): SweepSummary {
  return { agoMs: performance.now() - at, claimed, settled, failed };
}

function pick<T, U>(answer: Answer<T>, of: (data: T) => U): Answer<U> {
  return answer.ok ? { ok: true, data: of(answer.data) } : answer;
}

function parkedOf(answer: Answer<DatabaseSections>): readonly ParkedSummary[] {
  return answer.ok && answer.data.parked.ok ? answer.data.parked.data : [];
}
