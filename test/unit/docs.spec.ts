import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { resolveOptions } from '../../src/consistent.options.js';
import * as library from '../../src/index.js';
import { splitDefault } from '../../tools/docs/configuration.page.mjs';
import { declarationsOf, docComment } from '../../tools/docs/source.reader.mjs';

const PAGES = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (path: string) => readFileSync(path, 'utf8');

/** GitHub's anchors: lower case, punctuation dropped, blanks to dashes. */
function anchors(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map((found) =>
    found[1]!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('the pages made from the source', () => {
  it('are up to date', () => {
    expect(() =>
      execFileSync(process.execPath, ['tools/docs/docs.cli.mjs', '--check'], { stdio: 'pipe' }),
    ).not.toThrow();
  });

  it('name the defaults that the code really has', () => {
    const [module] = read('docs/configuration.md').split('\n## Repository');
    const rows = module!
      .split('\n')
      .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.replaceAll(/[`,]|\(.*\)/g, '').trim()));
    const documented = new Map(rows.map(([, name, , preset]) => [name, preset]));
    const { elasticsearch: _given, ...all } = resolveOptions({ elasticsearch: {} as never });
    const { deadlineMs, busyTimeoutMs, statementTimeoutMs, ...resolved } = all;
    for (const [name, value] of Object.entries(resolved)) {
      if (typeof value !== 'object') expect([name, documented.get(name)]).toEqual([name, String(value)]);
      else {
        for (const [part, preset] of Object.entries(value)) {
          if (name === 'sweeper' && part === 'leaseMs') continue;
          expect([name, part, documented.get(`${name}.${part}`)]).toEqual([name, part, String(preset)]);
        }
      }
    }
    expect(documented.get('deadlineMs')).toBe('2 × writeTimeoutMs + 1000');
    expect(deadlineMs).toBe(2 * resolved.writeTimeoutMs + 1_000);
    expect(documented.get('busyTimeoutMs')).toContain('deadlineMs + writeTimeoutMs');
    expect(busyTimeoutMs).toBe(deadlineMs + resolved.writeTimeoutMs);
    expect(documented.get('statementTimeoutMs')).toBe('10000 or writeTimeoutMs where that is longer');
    expect(statementTimeoutMs).toBe(10_000);
    // Off by default; these hold once it is on.
    const { verification } = resolveOptions({ elasticsearch: {} as never, verification: {} });
    for (const [part, preset] of Object.entries(verification)) {
      expect([part, documented.get(`verification.${part}`)]).toEqual([part, String(preset)]);
    }
    expect(documented.get('sweeper.leaseMs')).toBe('2 × writeTimeoutMs and at least 10000');
    expect(all.sweeper).toMatchObject({ leaseMs: 10_000 });
  });

  it('list every error that the package exports, as it is', () => {
    const page = read('docs/errors.md');
    const errors = Object.values(library).filter(
      (value) => typeof value === 'function' && value.prototype instanceof library.ConsistentError,
    ) as unknown as (new (message: string) => library.ConsistentError)[];
    expect(errors.length).toBeGreaterThan(15);
    for (const made of errors.map((ErrorClass) => new ErrorClass('x'))) {
      expect(page).toContain(`## ${made.name}\n\n\`${made.code}\`, ${made.retryable ? '' : 'not '}retryable\n`);
    }
  });
});

describe('every page', () => {
  it.each(PAGES)('%s links to files and headings that exist', (page) => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)\s]*)\)/g)].map((found) => found[1]!);
    for (const link of links) {
      const [path, anchor] = link.split('#') as [string, string | undefined];
      const target = path === '' ? page : join(dirname(page), path);
      expect([link, existsSync(target)]).toEqual([link, true]);
      if (anchor) expect(anchors(target)).toContain(anchor);
    }
  });

  it.each(PAGES)('%s imports only what the package exports', (page) => {
    const imports = [...read(page).matchAll(/import (?:type )?\{([^}]*)\} from 'nest-consistent';/g)];
    for (const name of imports.flatMap((found) => found[1]!.split(',').map((one) => one.trim()))) {
      if (name) expect(Object.keys(library)).toContain(name);
    }
  });

  it.each(PAGES)('%s runs only scripts that exist', (page) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    for (const [, script] of read(page).matchAll(/\bnpm run ([\w:]+)/g)) expect(Object.keys(scripts)).toContain(script);
  });
});

describe('the reader of doc comments', () => {
  it('takes comments, nested members and the sentence about the default apart', () => {
    const [first, second] = declarationsOf(`
      /** Ünïcode before: spans are in bytes. */
      export class A { readonly code = 'A'; readonly retryable = true; }
      // not this
      export interface B {
        /** A limit. Default 2.5. More. */
        a?: number;
        /** Parts. */
        b: false | { /** Inner. */ c?: string };
      }`);
    expect(first).toMatchObject({ name: 'A', comment: 'Ünïcode before: spans are in bytes.' });
    expect(first!.values).toEqual({ code: 'A', retryable: 'true' });
    expect(second).toMatchObject({ name: 'B', comment: '' });
    expect(second!.members).toMatchObject([
      { name: 'a', optional: true, type: 'number' },
      { name: 'b', optional: false, type: 'false | { … }', members: [{ name: 'c', comment: 'Inner.' }] },
    ]);
    expect(splitDefault(second!.members[0]!.comment)).toEqual({ meaning: 'A limit. More.', preset: '2.5' });
    expect(docComment('/** one */ /**\n * two\n *   lines\n */')).toBe('two\n  lines');
  });
});
