import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { elasticsearchUrl, mysqlUrl } from '../support/servers.js';

/** What differs from run to run. */
const plain = (output: string) => output.replaceAll(/\b\d{16}\b/g, 'VERSION').trim();

function blocks(language: string): string[] {
  const readme = readFileSync('README.md', 'utf8');
  const section = readme.slice(readme.indexOf('## Quick start'), readme.indexOf('## What you can do'));
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map((found) => found[1]!);
}

describe("README's quick start", () => {
  it('is the file that can be run', () => {
    expect(blocks('ts')).toEqual([readFileSync('examples/quick-start/main.ts', 'utf8')]);
  });

  it('prints what the README says', () => {
    const output = execFileSync(process.execPath, ['examples/quick-start/start.mjs'], {
      encoding: 'utf8',
      env: { ...process.env, MYSQL_URL: mysqlUrl(), ELASTICSEARCH_URL: elasticsearchUrl(), NO_COLOR: '1' },
    });
    const [said] = blocks('text');
    expect(said).toMatch(/\b\d{16}\b/);
    expect(plain(output)).toBe(plain(said!));
  });
});
