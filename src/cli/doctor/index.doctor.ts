import type { Client } from '@elastic/elasticsearch';
import type { ResolvedOptions } from '../../consistent.options.js';
import { ensureIndex } from '../../elasticsearch/index.bootstrap.js';
import { ConsistentError, MappingConflictError } from '../../errors.js';
import type { InspectedTable } from '../inspect/inspected.types.js';
import type { Finding } from './finding.js';

/** A request that start-up would send. */
interface Wanted {
  readonly method?: 'POST';
  readonly path: string;
  readonly body: unknown;
  readonly problem: string;
}

class IndexMissing extends Error {}

const REQUEST_TIMEOUT_MS = 10_000;

/** What start-up would do to the index, or refuse: alias, mapping, `gc_deletes`. Changes nothing. */
export async function indexFindings(
  client: Client,
  table: InspectedTable,
  options: ResolvedOptions,
): Promise<Finding[]> {
  const alias = table.alias!;
  const subject = `index ${alias}`;
  const wanted: Wanted[] = [];
  const bounded = client.child({ requestTimeout: REQUEST_TIMEOUT_MS, maxRetries: 0 });
  try {
    await ensureIndex(rehearsal(bounded, wanted), {
      alias,
      ...(table.mappings ? { mappings: table.mappings } : {}),
      ...(table.settings ? { settings: table.settings } : {}),
      gcDeletesMs: options.gcDeletesMs,
      createIndex: true,
      durableTombstones: table.durableTombstones,
    });
  } catch (error) {
    if (error instanceof IndexMissing) return [missing(subject, alias, options, table.metadata !== null)];
    if (!(error instanceof ConsistentError)) throw error;
    const fix =
      error instanceof MappingConflictError
        ? 'Change the declaration, or exchange the index: nest-consistent reindex start (docs/reindex.md).'
        : 'See the message.';
    return [...wanted.map(asFinding(subject)), { severity: 'error', subject, problem: error.message, fix }];
  }
  return wanted.map(asFinding(subject));
}

/** The client as `ensureIndex` uses it, where what would change something is only written down. */
function rehearsal(client: Client, wanted: Wanted[]): Client {
  const indices = {
    getAlias: client.indices.getAlias.bind(client.indices),
    exists: client.indices.exists.bind(client.indices),
    get: client.indices.get.bind(client.indices),
    create: () => Promise.reject(new IndexMissing()),
    putMapping: async ({ index, ...body }: { index: string }) =>
      wanted.push({
        path: `${index}/_mapping`,
        body,
        problem: 'the mapping lacks, or has otherwise, what is declared',
      }),
    putSettings: async ({ index, settings }: { index: string; settings: unknown }) =>
      wanted.push({
        path: `${index}/_settings`,
        body: settings,
        problem: 'gc_deletes is too short: deletes are forgotten before late requests arrive',
      }),
    updateAliases: async (body: unknown) =>
      wanted.push({
        method: 'POST',
        path: '_aliases',
        body,
        problem: 'the alias does not hide durable tombstones from searches',
      }),
  };
  return { indices } as unknown as Client;
}

function asFinding(subject: string): (wanted: Wanted) => Finding {
  return ({ method = 'PUT', path, body, problem }) => ({
    severity: 'warning',
    subject,
    problem: `${problem}; the application mends it at its next start`,
    fix: `${method} ${path} ${JSON.stringify(body)}`,
  });
}

function missing(subject: string, alias: string, { createIndices }: ResolvedOptions, hasApplication: boolean): Finding {
  return {
    severity: 'error',
    subject,
    problem: `there is no alias ${alias}: writes are refused, and searches find nothing`,
    fix:
      hasApplication && createIndices
        ? 'nest-consistent repair makes it again and fills it; a start of the application makes it.'
        : `Create an index ${alias}-000001 with the alias ${alias}, then run nest-consistent repair.`,
  };
}
