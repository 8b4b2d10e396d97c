/**
 * Compares the mapping that a repository declares with the one an index has. Pure.
 *
 * Only what is declared counts: a live field or parameter that the declaration does not mention is left alone. Parameters
 * that Elasticsearch can change in place (`ignore_above`, `dynamic`, `copy_to` …) are not conflicts but changes; the
 * same goes for parameters unknown here, since a put-mapping that cannot be done is refused as a whole.
 */
export interface MappingConflict {
  /** Dotted path; a multi-field's name follows its field's. */
  readonly field: string;
  readonly parameter: string;
  readonly live: unknown;
  readonly declared: unknown;
}

export interface MappingDifference {
  readonly conflicts: readonly MappingConflict[];
  /** Dotted paths of declared fields that the index does not have yet. */
  readonly missing: readonly string[];
  /** What to put so that the index has everything declared; null when it has. Only the fields that need it. */
  readonly patch: Mapping | null;
}

export type Mapping = Readonly<Record<string, unknown>>;

interface Findings {
  readonly conflicts: MappingConflict[];
  readonly missing: string[];
}

/** What Elasticsearch leaves out of a mapping because it is the default; and which parameters are fixed for ever. */
const FIXED_DEFAULTS: Readonly<Record<string, unknown>> = {
  analyzer: 'default',
  doc_values: true,
  enabled: true,
  format: undefined,
  index: true,
  index_options: undefined,
  normalizer: undefined,
  null_value: undefined,
  path: undefined,
  position_increment_gap: 100,
  scaling_factor: undefined,
  similarity: 'BM25',
  store: false,
  term_vector: 'no',
};
const DEFAULTS_BY_TYPE: Readonly<Record<string, unknown>> = {
  'text index_options': 'positions',
  'keyword index_options': 'docs',
  'date format': 'strict_date_optional_time||epoch_millis',
  'date_range format': 'strict_date_optional_time||epoch_millis',
  'date_nanos format': 'strict_date_optional_time_nanos||epoch_millis',
};

/** Defaults of parameters that may change in place, so that spelling them out is no change. */
const CHANGEABLE_DEFAULTS: Readonly<Record<string, unknown>> = {
  coerce: true,
  eager_global_ordinals: false,
  fielddata: false,
  ignore_malformed: false,
};

export function compareMapping(declared: Mapping, live: Mapping): MappingDifference {
  const findings: Findings = { conflicts: [], missing: [] };
  const patch: Record<string, unknown> = {};
  for (const [parameter, value] of Object.entries(declared)) {
    if (parameter !== 'properties' && !same(value, live[parameter])) patch[parameter] = value;
  }
  const properties = compareFields('', record(declared['properties']), record(live['properties']), findings);
  if (properties) patch['properties'] = properties;
  return { ...findings, patch: Object.keys(patch).length > 0 ? patch : null };
}

/** The fields that are missing or changed, or null. */
function compareFields(prefix: string, declared: Mapping, live: Mapping, findings: Findings): Mapping | null {
  const patch: Record<string, unknown> = {};
  for (const [name, definition] of Object.entries(declared)) {
    const field = prefix === '' ? name : `${prefix}.${name}`;
    const existing = findField(live, name);
    if (existing === undefined) findings.missing.push(field);
    const changed = existing === undefined ? definition : compareField(field, record(definition), existing, findings);
    if (changed) patch[name] = changed;
  }
  return Object.keys(patch).length > 0 ? patch : null;
}

/** `{'a.b': …}` declares the field b of the object a, and that is how Elasticsearch gives it back. */
function findField(live: Mapping, name: string): Mapping | undefined {
  if (Object.hasOwn(live, name)) return record(live[name]);
  const dot = name.indexOf('.');
  if (dot < 0) return undefined;
  const parent = name.slice(0, dot);
  if (!Object.hasOwn(live, parent)) return undefined;
  return findField(record(record(live[parent])['properties']), name.slice(dot + 1));
}

/**
 * The field's new definition, or null when it stays. It starts from the live one: a parameter left out of a put-mapping
 * would otherwise mean its default, which the index may not have.
 */
function compareField(field: string, declared: Mapping, live: Mapping, findings: Findings): Mapping | null {
  const types = { declared: typeOf(declared), live: typeOf(live) };
  if (types.declared !== types.live) {
    findings.conflicts.push({ field, parameter: 'type', ...types });
    return null;
  }
  const { properties: declaredProperties, fields: declaredFields, ...parameters } = declared;
  const { properties: liveProperties, fields: liveFields, ...rest } = live;
  const changed = Object.entries(parameters).filter(
    ([name, value]) =>
      name !== 'type' && isChange(field, types.live, name, { declared: value, live: rest[name] }, findings),
  );
  const properties = compareFields(field, record(declaredProperties), record(liveProperties), findings);
  const fields = compareFields(field, record(declaredFields), record(liveFields), findings);
  if (changed.length === 0 && !properties && !fields) return null;
  return {
    ...rest,
    ...Object.fromEntries(changed),
    ...(properties ? { properties } : {}),
    ...(fields || liveFields ? { fields: { ...record(liveFields), ...fields } } : {}),
  };
}

/** True for a parameter that may be put in place; one that is fixed becomes a conflict. */
function isChange(
  field: string,
  type: string,
  parameter: string,
  values: { readonly declared: unknown; readonly live: unknown },
  findings: Findings,
): boolean {
  const { declared } = values;
  const live = values.live ?? defaultOf(type, parameter);
  if (same(declared, live)) return false;
  const fixed = Object.hasOwn(FIXED_DEFAULTS, parameter);
  if (fixed) findings.conflicts.push({ field, parameter, live, declared });
  return !fixed;
}

function defaultOf(type: string, parameter: string): unknown {
  return DEFAULTS_BY_TYPE[`${type} ${parameter}`] ?? FIXED_DEFAULTS[parameter] ?? CHANGEABLE_DEFAULTS[parameter];
}

/** A field without a type is an object. */
function typeOf(definition: Mapping): string {
  return typeof definition['type'] === 'string' ? definition['type'] : 'object';
}

/** Elasticsearch gives numbers and booleans back as it likes, and a list of one as its element. */
function same(declared: unknown, live: unknown): boolean {
  if (isRecord(declared) && isRecord(live)) {
    const keys = new Set([...Object.keys(declared), ...Object.keys(live)]);
    return [...keys].every((key) => same(declared[key], live[key]));
  }
  if (Array.isArray(declared) || Array.isArray(live)) {
    const [one, other] = [[declared].flat() as unknown[], [live].flat() as unknown[]];
    return one.length === other.length && one.every((value, at) => same(value, other[at]));
  }
  return declared === live || (scalar(declared) && scalar(live) && String(declared) === String(live));
}

function scalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function record(value: unknown): Mapping {
  return isRecord(value) ? value : {};
}
