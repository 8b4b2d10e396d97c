import { readFileSync } from 'node:fs';
import { expect } from '@jest/globals';

/** The page's examples are about a database, a table and a user of these names. */
const PAGE = { database: 'app', user: "'app'@'%'" };

/** The `GRANT` statements that docs/operations.md prints, as they stand there, for another database and user. */
export function documentedGrants(database: string, user: string): string[] {
  const page = readFileSync('docs/operations.md', 'utf8');
  const block = /### MySQL\n[^]*?```sql\n([^]*?)```/.exec(page)![1]!;
  const statements = block.split('\n').map((line) => line.replace(/\s+--.*$/, ''));
  const grants = statements.filter((statement) => statement !== '');
  for (const grant of grants) {
    expect(grant).toMatch(/^GRANT [A-Z ,]+ ON (?:app\.\w+|\*\.\*) TO 'app'@'%';$/);
  }
  return grants.map((grant) =>
    grant.replace(` ON ${PAGE.database}.`, ` ON \`${database}\`.`).replace(PAGE.user, `'${user}'@'%'`),
  );
}
