import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, estypes } from '@elastic/elasticsearch';
import { InvalidOptionsError, InvalidSchemaError, MappingConflictError } from '../errors.js';
import { RESTORED_FIELD } from '../protocol/row.js';
import { compareMapping } from './mapping.compare.js';
import type { Mapping, MappingConflict } from './mapping.compare.js';
import { seatOf } from './index.route.js';
import { gcDeletesMs as gcDeletesMsOf, newIndexSettings } from './index.settings.js';
import { DELETED_FIELD, DELETED_MAPPING, hidesOnlyTombstones, TOMBSTONE_FILTER } from './tombstone.codec.js';

export interface EnsureIndexOptions {
  /** The name that everything is written to and read from. */
  readonly alias: string;
  /** Declared mapping. Left out: Elasticsearch maps new fields by itself. */
  readonly mappings?: estypes.MappingTypeMapping;
  /** Settings for a new index. Those of an existing index are not touched. */
  readonly settings?: estypes.IndicesIndexSettings;
  /** How long Elasticsearch remembers a delete's version, in ms. Raised on an existing index, never lowered. */
  readonly gcDeletesMs: number;
  /** Whether a missing index is created. False: a missing alias is an error. */
  readonly createIndex: boolean;
  /**
   * Whether deletes put tombstones: their field is mapped, and the alias gets a filter that hides them from searches. False leaves a filter
   * that is there: what it hides may be there too. Default false.
   */
  readonly durableTombstones?: boolean;
}

export interface EnsuredIndex {
  /** The index behind the alias. */
  readonly index: string;
  /** True when this call created it. */
  readonly created: boolean;
  /** Declared fields that this call added to the mapping, as dotted paths; the marker field included. */
  readonly addedFields: readonly string[];
  readonly raisedGcDeletes: boolean;
}

interface AliasedIndex {
  readonly index: string;
  readonly hidesTombstones: boolean;
  /** Undefined: it is the only one behind the alias, and so for writing. */
  readonly isWriteIndex: boolean | undefined;
}

/** Never searched, only read with the document: it costs nothing but its few bytes in `_source`. */
const MARKER: estypes.MappingProperty = { type: 'long', index: false, doc_values: false };
const ALIAS = /^[^\\/*?"<>|\s,#:A-Z_\-+.][^\\/*?"<>|\s,#:A-Z]*$/;
const CREATE_TRIES = 5;

/**
 * Sees to it that the alias leads to exactly one index with the declared mapping. Any number of instances may call it at
 * the same time. Nothing is ever deleted.
 * @throws InvalidOptionsError for a bad alias, or a declared mapping that uses the protocol's fields for something else.
 * @throws InvalidSchemaError when the alias is missing, or does not hide tombstones (`createIndex: false`), is really an index, or leads
 *   elsewhere.
 * @throws MappingConflictError when the live mapping contradicts the declared one; `data.conflicts` lists each.
 */
export async function ensureIndex(client: Client, options: EnsureIndexOptions): Promise<EnsuredIndex> {
  const mappings = withProtocolFields(options);
  let created = false;
  for (let tries = 1; ; tries += 1) {
    const found = await indexBehind(client, options.alias);
    if (found) {
      const adopted = await adopt(client, found.index, mappings, options);
      await hideTombstones(client, found, options);
      return { ...adopted, index: found.index, created };
    }
    if (tries > CREATE_TRIES) throw leftOver(options.alias);
    if (!options.createIndex) {
      throw new InvalidSchemaError(
        `the alias "${options.alias}" does not exist in Elasticsearch: create an index with that alias, or let the module do it`,
        { alias: options.alias },
      );
    }
    // An instance that was faster has made it: look again.
    created = await createIndex(client, mappings, options);
    if (!created) await sleep(50 * tries);
  }
}

/** The declared mapping with the protocol's own fields. Throws `InvalidOptionsError` as `ensureIndex` does. */
export function withProtocolFields(
  options: Pick<EnsureIndexOptions, 'alias' | 'mappings' | 'durableTombstones'>,
): estypes.MappingTypeMapping {
  const { alias, mappings = {}, durableTombstones } = options;
  if (!ALIAS.test(alias) || Buffer.byteLength(`${alias}-000001`) > 255) {
    throw new InvalidOptionsError(
      `"${alias}" cannot be the name of an alias: use lower-case letters, digits, - and _`,
      {
        alias,
      },
    );
  }
  for (const [field, ours] of Object.entries({ [RESTORED_FIELD]: MARKER, [DELETED_FIELD]: DELETED_MAPPING })) {
    const declared = mappings.properties?.[field] as Mapping | undefined;
    if (declared && (declared['type'] !== ours.type || Object.keys(declared).some((key) => !(key in ours)))) {
      throw new InvalidOptionsError(
        `the mapping of "${alias}" declares the field ${field}, which the protocol uses for itself: name yours differently`,
        { alias, field },
      );
    }
  }
  const tombstones: Record<string, estypes.MappingProperty> = durableTombstones
    ? { [DELETED_FIELD]: DELETED_MAPPING }
    : {};
  return { ...mappings, properties: { ...mappings.properties, [RESTORED_FIELD]: MARKER, ...tombstones } };
}

/** The only index of the alias, or null when there is no alias. */
async function indexBehind(client: Client, alias: string): Promise<AliasedIndex | null> {
  const found = await orNull(client.indices.getAlias({ name: alias }));
  const entries = Object.entries(found ?? {});
  const [first] = entries;
  if (!first) {
    if (await client.indices.exists({ index: alias })) throw notAnAlias(alias);
    return null;
  }
  const [index, { aliases }] = first;
  if (entries.length > 1) {
    const indices = entries.map(([name]) => name);
    throw new InvalidSchemaError(
      `the alias "${alias}" leads to ${entries.length} indices (${indices.join(', ')}): a version is only unique within ` +
        'one index. Let the alias lead to one.',
      { alias, indices },
    );
  }
  const { filter, index_routing, search_routing, is_write_index } = aliases[alias] ?? {};
  const hidesTombstones = filter !== undefined && hidesOnlyTombstones(filter);
  // While an index is exchanged, its documents go to its seat.
  const isClosed = is_write_index === false && !(await client.indices.existsAlias({ index, name: seatOf(index) }));
  if ((filter && !hidesTombstones) || index_routing || search_routing || isClosed) {
    throw new InvalidSchemaError(
      `the alias "${alias}" of the index ${index} has a filter, a routing, or is not for writing: documents would be ` +
        'missed. Use a plain alias.',
      { alias, index },
    );
  }
  return { index, hidesTombstones, isWriteIndex: is_write_index };
}

/** One step, so there is no moment without the alias. Searches that begin earlier find no tombstone: none was put before this. */
async function hideTombstones(
  client: Client,
  { index, hidesTombstones, isWriteIndex }: AliasedIndex,
  { alias, createIndex, durableTombstones }: EnsureIndexOptions,
): Promise<void> {
  if (!durableTombstones || hidesTombstones) return;
  const add = {
    index,
    alias,
    filter: TOMBSTONE_FILTER,
    ...(isWriteIndex === undefined ? {} : { is_write_index: isWriteIndex }),
  };
  if (!createIndex) {
    throw new InvalidSchemaError(
      `the alias "${alias}" does not hide durable tombstones from searches: POST _aliases ` +
        `${JSON.stringify({ actions: [{ add }] })}, or let the module do it`,
      { alias, index },
    );
  }
  await client.indices.updateAliases({ actions: [{ add }] });
}

function notAnAlias(alias: string): InvalidSchemaError {
  const next = `${alias}-000001`;
  return new InvalidSchemaError(
    `"${alias}" is an index or a data stream, and must be an alias, so that a lost index cannot come back empty. To move: ` +
      `create the index ${next}, copy with POST _reindex {"source":{"index":"${alias}"},"dest":{"index":"${next}",` +
      '"version_type":"external"}}, then swap in one step with POST _aliases {"actions":[{"remove_index":{"index":' +
      `"${alias}"}},{"add":{"index":"${next}","alias":"${alias}","is_write_index":true}}]}`,
    { alias },
  );
}

function leftOver(alias: string): InvalidSchemaError {
  const index = `${alias}-000001`;
  return new InvalidSchemaError(
    `the index ${index} exists, but not the alias "${alias}". If it is the right one, add the alias: POST _aliases ` +
      `{"actions":[{"add":{"index":"${index}","alias":"${alias}","is_write_index":true}}]}; else delete it`,
    { alias, index },
  );
}

/** False when the index, or something with the alias's name, is already there. Alias and index appear together. */
async function createIndex(
  client: Client,
  mappings: estypes.MappingTypeMapping,
  { alias, settings = {}, gcDeletesMs, durableTombstones }: EnsureIndexOptions,
): Promise<boolean> {
  try {
    await client.indices.create({
      index: `${alias}-000001`,
      aliases: { [alias]: { is_write_index: true, ...(durableTombstones ? { filter: TOMBSTONE_FILTER } : {}) } },
      mappings,
      settings: newIndexSettings(settings as Mapping, gcDeletesMs) as estypes.IndicesIndexSettings,
    });
    return true;
  } catch (error) {
    const { type, reason } = serverError(error);
    if (type === 'resource_already_exists_exception' || type === 'invalid_alias_name_exception') return false;
    if (type !== 'mapper_parsing_exception') throw error;
    throw new MappingConflictError(
      `Elasticsearch refuses the mapping declared for "${alias}": ${reason}`,
      { alias },
      error,
    );
  }
}

/** Brings an existing index up to the declaration, or says why that cannot be. */
async function adopt(
  client: Client,
  index: string,
  mappings: estypes.MappingTypeMapping,
  { alias, gcDeletesMs }: EnsureIndexOptions,
): Promise<{ addedFields: readonly string[]; raisedGcDeletes: boolean }> {
  const live = (await client.indices.get({ index, flat_settings: true }))[index];
  if (!live)
    throw new InvalidSchemaError(`"${alias}" leads to ${index}, which is not an ordinary index`, { alias, index });
  const mapping = (live.mappings ?? {}) as Mapping;
  const settings = (live.settings ?? {}) as Record<string, unknown>;
  refuseUnfit(alias, index, mapping, settings);
  const { conflicts, missing, patch } = compareMapping(keepLiveMarker(mappings, mapping), mapping);
  if (conflicts.length > 0) throw conflictError(alias, index, conflicts);
  if (patch) await putMapping(client, alias, index, patch);
  const raisedGcDeletes = gcDeletesMsOf(settings) < gcDeletesMs;
  if (raisedGcDeletes)
    await client.indices.putSettings({ index, settings: { 'index.gc_deletes': `${gcDeletesMs}ms` } });
  return { addedFields: missing, raisedGcDeletes };
}

/** A marker that was mapped dynamically, before we declared it, is searchable: that does no harm, so it stays. */
function keepLiveMarker(declared: estypes.MappingTypeMapping, live: Mapping): Mapping {
  const marker = (live['properties'] as Mapping | undefined)?.[RESTORED_FIELD] as Mapping | undefined;
  if (marker?.['type'] !== MARKER.type) return declared as Mapping;
  return { ...declared, properties: { ...declared.properties, [RESTORED_FIELD]: marker } };
}

function refuseUnfit(alias: string, index: string, mapping: Mapping, settings: Record<string, unknown>): void {
  const source = (mapping['_source'] ?? {}) as Record<string, unknown>;
  const routing = (mapping['_routing'] ?? {}) as Record<string, unknown>;
  const mode = settings['index.mapping.source.mode'] ?? source['mode'] ?? 'stored';
  const partial = [source['includes'], source['excludes']].some((list) => Array.isArray(list) && list.length > 0);
  const refuse = (what: string): never => {
    throw new InvalidSchemaError(`the index ${index} behind "${alias}" ${what}`, { alias, index });
  };
  if (source['enabled'] === false || partial || mode !== 'stored') {
    refuse('does not keep whole documents (_source): they could neither be compared nor tell who put them there');
  }
  if (routing['required'] === true) refuse('demands a routing value, and requests by id alone have none');
}

function conflictError(alias: string, index: string, conflicts: readonly MappingConflict[]): MappingConflictError {
  const lines = conflicts.map(({ field, parameter, live, declared }) =>
    parameter === 'type'
      ? `field \`${field}\` is \`${String(live)}\` in index ${index}, declared \`${String(declared)}\``
      : `field \`${field}\` has ${parameter} ${words(live)} in index ${index}, declared ${words(declared)}`,
  );
  return new MappingConflictError(
    `${lines.join('; ')}; a mapping cannot be changed in place: reindex into a new index or change the declaration`,
    { alias, index, conflicts },
  );
}

function words(value: unknown): string {
  return value === undefined ? 'unset' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

async function putMapping(client: Client, alias: string, index: string, patch: Mapping): Promise<void> {
  try {
    await client.indices.putMapping({ index, ...patch } as Parameters<Client['indices']['putMapping']>[0]);
  } catch (error) {
    const { status, reason } = serverError(error);
    if (status !== 400) throw error;
    throw new MappingConflictError(
      `Elasticsearch refuses to bring the mapping of ${index} up to the declaration of "${alias}": ${reason}; reindex into ` +
        'a new index or change the declaration',
      { alias, index, reason },
      error,
    );
  }
}

function serverError(error: unknown): { status: number | undefined; type: string; reason: string } {
  const { statusCode, body } =
    (error as { meta?: { statusCode?: number; body?: { error?: { type?: string; reason?: string } } } }).meta ?? {};
  const { type = '', reason = '' } = body?.error ?? {};
  return { status: statusCode, type, reason };
}

async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (serverError(error).status === 404) return null;
    throw error;
  }
}
