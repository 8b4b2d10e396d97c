import { oneLine, readDeclarations } from './source.reader.mjs';

const SOURCE = 'src/errors.ts';
const INTRODUCTION = `# Errors

Everything this library throws on purpose extends \`ConsistentError\`. Match on \`code\`: messages may change, codes do not.

- \`retryable\` is true when the very same call may succeed later without a change by a person.
- \`data\` holds facts a program can act on, such as entity, key and version. The library puts no column values there but
  the key's, and Elasticsearch's reasons lose the values that they quote. MySQL's messages may quote one.
- \`cause\` is the error underneath, where there is one.

MySQL's own errors (a duplicate key, a failed foreign key) reach the caller as TypeORM throws them. After one of them
nothing was written.

\`\`\`ts
import { ConsistentError, OutcomeUnknownError } from 'nest-consistent';

try {
  await films.save(film);
} catch (error) {
  if (error instanceof OutcomeUnknownError) return films.findOneBy({ id: film.id }); // final once error.data.deadline has passed
  if (error instanceof ConsistentError && error.retryable) return retryLater(film);
  throw error;
}
\`\`\`

After an \`OutcomeUnknownError\` a read never shows a state that is taken back later. But until \`error.data.deadline\` (UTC, by MySQL's clock) it
may show the state before a write that still lands; after the deadline its answer is final.
`;

/** @returns {string} docs/errors.md before formatting */
export function errorsPage() {
  const errors = readDeclarations(SOURCE).filter(({ kind, abstract }) => kind === 'class' && !abstract);
  const rows = errors.map(({ name, values }) => {
    return `| [\`${values['code']}\`](#${name.toLowerCase()}) | \`${name}\` | ${values['retryable'] === 'true' ? 'yes' : 'no'} |`;
  });
  const sections = errors.map(section);
  return [INTRODUCTION, '| code | class | retryable |', '| --- | --- | --- |', ...rows, '', ...sections].join('\n');
}

/** @param {import('./source.reader.mjs').Declaration} error */
function section({ name, comment, values }) {
  const code = values['code'];
  if (!code || comment === '') throw new Error(`${SOURCE}: ${name} needs a code and a doc comment`);
  const [meaning, action] = oneLine(comment).split(/\s*\bDo: /);
  const lines = [
    `## ${name}`,
    '',
    `\`${code}\`, ${values['retryable'] === 'true' ? 'retryable' : 'not retryable'}`,
    '',
  ];
  if (meaning) lines.push(meaning, '');
  if (action) lines.push(`**What to do:** ${action}`, '');
  return lines.join('\n');
}
