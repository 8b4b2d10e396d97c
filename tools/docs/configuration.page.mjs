import { oneLine, readDeclarations } from './source.reader.mjs';

/** @typedef {import('./source.reader.mjs').Member} Member */

const INTRODUCTION = `# Configuration

Options are validated at start-up. A value that is missing, unknown, out of range, or at odds with another one is an
[\`InvalidOptionsError\`](errors.md#invalidoptionserror) whose message names the option and says what is possible. Times are in
milliseconds, and their names end in \`Ms\`.
`;

const SECTIONS = [
  {
    title: 'Module: `ConsistentModule.forRoot(options)`',
    text: '`forRootAsync({ imports, inject, useFactory })` takes the same options from a factory.',
    path: 'src/consistent.options.ts',
    name: 'ConsistentModuleOptions',
  },
  {
    title: 'Repository: `@Consistent(Entity, options)`',
    text: 'Also the second argument of `defineConsistentRepository(Entity, options)`.',
    path: 'src/consistent.decorator.ts',
    name: 'ConsistentEntityOptions',
  },
  {
    title: 'Registration: `ConsistentModule.forFeature([Repository], options)`',
    text: 'A string is short for `{ dataSource }`.',
    path: 'src/consistent.module.ts',
    name: 'ConsistentFeatureOptions',
  },
  {
    title: 'Reads',
    text: 'Beside TypeORM’s own options: `find({ where, barrier: true })`, `findBy(where, { barrier: true })` and so on.',
    path: 'src/settle/consistent.reader.ts',
    name: 'ReadOptions',
  },
  {
    title: 'Single writes',
    text: 'The second argument of `save`, `update`, `remove`, `softRemove` and `recover`.',
    path: 'src/write/write.options.ts',
    name: 'PrepareOptions',
  },
  {
    title: 'Batches',
    text: 'The second argument of `saveMany` and `removeMany`.',
    path: 'src/write/batch.writer.ts',
    name: 'BatchOptions',
  },
  {
    title: 'Units of work',
    text: 'The second argument of `ConsistentService.transaction`.',
    path: 'src/consistent.service.ts',
    name: 'TransactionOptions',
  },
  {
    title: 'Backstop: `BackstopModule.forRoot(options)`',
    text: 'From `nest-consistent/binlog`; see [the backstop](backstop.md). `forRootAsync({ imports, inject, useFactory })` takes the same options.',
    path: 'src/binlog/backstop.options.ts',
    name: 'BackstopModuleOptions',
  },
  {
    title: 'Status page: `ConsistentStatusModule.forRoot(options)`',
    text: 'From `nest-consistent/status`; see [the status page](status-page.md).',
    path: 'src/status/status.options.ts',
    name: 'ConsistentStatusOptions',
  },
  {
    title: 'Metrics: `ConsistentMetricsModule.forRoot(options)`',
    text: 'From `nest-consistent/metrics`; see [metrics](metrics.md).',
    path: 'src/observe/metrics.options.ts',
    name: 'ConsistentMetricsOptions',
  },
  {
    title: 'Health: `ConsistentHealthModule.forRoot(options)`',
    text: 'From `nest-consistent/health`; see [health](operations.md#health).',
    path: 'src/health/health.options.ts',
    name: 'ConsistentHealthOptions',
  },
  {
    title: 'Thresholds: health’s and the status page’s `thresholds`',
    text: 'The same object for both: `StatusThresholds`.',
    path: 'src/status/status.judgement.ts',
    name: 'StatusThresholds',
  },
];

/** Aliases whose values a reader wants to see. */
const SPELLED_OUT = { Decider: 'src/protocol/row.ts', BypassGuard: 'src/consistent.options.ts' };

/** @returns {string} docs/configuration.md before formatting */
export function configurationPage() {
  const aliases = Object.entries(SPELLED_OUT).map(([name, path]) => declarationOf(path, name));
  /** @param {Member} member @returns {Member} */
  const spellOut = (member) => ({
    ...member,
    type: aliases.find(({ name }) => name === member.type)?.text ?? member.type,
    members: member.members.map(spellOut),
  });
  const sections = SECTIONS.map(({ title, text, path, name }) => {
    const members = declarationOf(path, name).members.map(spellOut);
    const rows = members.flatMap((member) => optionRows(member, '', `${path}: ${name}`));
    const head = ['| option | type | default | meaning |', '| --- | --- | --- | --- |'];
    return [`## ${title}`, '', text, '', ...head, ...rows, ''].join('\n');
  });
  return [INTRODUCTION, ...sections].join('\n');
}

/** @param {string} path @param {string} name */
function declarationOf(path, name) {
  const found = readDeclarations(path).find((declaration) => declaration.name === name);
  if (!found) throw new Error(`${path} no longer exports ${name}`);
  return found;
}

/**
 * @param {Member} member
 * @param {string} prefix of an option inside an object
 * @param {string} where for messages
 * @returns {string[]}
 */
function optionRows(member, prefix, where) {
  const name = `${prefix}${member.name}`;
  if (member.comment === '') throw new Error(`${where}.${name} has no doc comment`);
  const { meaning, preset } = splitDefault(oneLine(member.comment));
  const fallback = preset ?? (member.optional ? '' : 'required');
  const row = `| \`${name}\` | ${cell(`\`${member.type}\``)} | ${cell(fallback)} | ${cell(meaning)} |`;
  return [row, ...member.members.flatMap((nested) => optionRows(nested, `${name}.`, where))];
}

/**
 * Takes the sentence `Default ….` out of a comment.
 * @param {string} comment
 * @returns {{meaning: string, preset: string | undefined}}
 */
export function splitDefault(comment) {
  // A full stop ends the sentence only before a blank or the end: `2.5` and `a.b` have one inside.
  const found = /(?:^|\s)Default:? (.+?)\.(?=\s|$)/.exec(comment);
  if (!found) return { meaning: comment, preset: undefined };
  return { meaning: comment.replace(found[0], '').trim(), preset: found[1] };
}

/** @param {string} text */
const cell = (text) => text.replaceAll('|', '\\|');
