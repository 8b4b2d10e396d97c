import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { productionProject } from '../../tools/ci/audit.lockfile.mjs';
import { judgeAudit } from '../../tools/ci/audit.report.mjs';

const BULK = 'https://registry.example/-/npm/v1/security/advisories/bulk';
/** As npm 11 says it of a registry that has no such end point. */
const NO_ENDPOINT = {
  message: `405 Method Not Allowed - POST ${BULK}`,
  method: 'POST',
  uri: BULK,
  headers: { allow: ['GET,HEAD'] },
  statusCode: 405,
  body: '',
  error: { summary: '', detail: '' },
};
const REFUSED = {
  message: `request to ${BULK} failed, reason: connect ECONNREFUSED 127.0.0.1:9`,
  error: { summary: '', detail: '' },
};
/** As npm 11 reports one finding. */
const report = (severity: string) => ({
  auditReportVersion: 2,
  vulnerabilities: {
    picocolors: {
      name: 'picocolors',
      severity,
      isDirect: true,
      via: [
        {
          source: 1,
          name: 'picocolors',
          dependency: 'picocolors',
          title: 'Escape sequences in a colour',
          url: 'https://advisories.example/GHSA-x',
          severity,
          range: '<1.2.0',
        },
      ],
      effects: ['cli'],
      range: '<1.2.0',
      nodes: ['node_modules/picocolors'],
      fixAvailable: false,
    },
    cli: {
      name: 'cli',
      severity,
      isDirect: false,
      via: ['picocolors'],
      effects: [],
      range: '*',
      nodes: ['node_modules/cli'],
    },
  },
  metadata: { vulnerabilities: { [severity]: 2, total: 2 }, dependencies: { prod: 12, total: 12 } },
});
const judge = (answer: unknown, stderr = '') => judgeAudit(JSON.stringify(answer), stderr);

describe('the audit of dependencies', () => {
  it.each([
    ['no such end point', NO_ENDPOINT, '405 Method Not Allowed'],
    ['a registry that is not there', REFUSED, 'ECONNREFUSED'],
    ['no name service', { message: 'request to x failed, reason: getaddrinfo EAI_AGAIN registry' }, 'EAI_AGAIN'],
    ['an older npm', { error: { code: 'ENOTFOUND', summary: 'no such host', detail: '' } }, 'ENOTFOUND'],
  ])('%s: says so, and passes', (_name, answer, said) => {
    const { passes, lines } = judge(answer);
    expect(passes).toBe(true);
    expect(lines).toEqual([expect.stringMatching(/^audit not available: /)]);
    expect(lines[0]).toContain(said);
  });

  it.each(['high', 'critical'])('a %s finding fails, with its name, title and address', (severity) => {
    const { passes, lines } = judge(report(severity));
    expect(passes).toBe(false);
    expect(lines).toEqual([
      `${severity}: picocolors <1.2.0: Escape sequences in a colour https://advisories.example/GHSA-x`,
      `${severity}: cli *: through picocolors`,
      '2 of 12 packages that users install have known vulnerabilities, 2 of them high or critical',
    ]);
  });

  it.each(['info', 'low', 'moderate'])('a %s finding is told, and passes', (severity) => {
    const { passes, lines } = judge(report(severity));
    expect(passes).toBe(true);
    expect(lines[0]).toContain('picocolors');
  });

  it('nothing found: passes, and says how much was looked at', () => {
    const { passes, lines } = judge({ vulnerabilities: {}, metadata: { dependencies: { total: 12 } } });
    expect(passes).toBe(true);
    expect(lines).toEqual([expect.stringMatching(/^0 of 12 /)]);
  });

  it.each([
    ['another error of npm', { error: { code: 'ENOLOCK', summary: 'This command requires an existing lockfile.' } }],
    ['a login that is refused', { message: '401 Unauthorized', statusCode: 401 }],
    ['something else', {}],
  ])('%s fails', (_name, answer) => {
    expect(judge(answer).passes).toBe(false);
  });

  it('no answer at all fails, with what npm complained about', () => {
    expect(judgeAudit('', 'npm error broken')).toEqual({
      passes: false,
      lines: [expect.any(String), 'npm error broken'],
    });
  });

  it("a registry's login is not printed", () => {
    const { lines } = judge({ ...NO_ENDPOINT, message: '404 Not Found - POST https://user:secret@registry.example/x' });
    expect(lines.join()).not.toContain('secret');
  });
});

describe('what is audited', () => {
  const lock = {
    lockfileVersion: 3,
    packages: {
      '': {
        name: 'ours',
        version: '1.0.0',
        dependencies: { a: '1.0.0' },
        peerDependencies: { driver: '^3.0.0', optional: '^1.0.0' },
        peerDependenciesMeta: { optional: { optional: true } },
        devDependencies: { driver: '3.1.0', optional: '1.1.0', linter: '9.0.0' },
      },
      'node_modules/a': {
        version: '1.0.0',
        dependencies: { shared: '^1.0.0' },
        optionalDependencies: { elsewhere: '*' },
      },
      'node_modules/a/node_modules/shared': { version: '1.0.0' },
      'node_modules/shared': { version: '2.0.0', dev: true },
      'node_modules/driver': { version: '3.1.0', dev: true, dependencies: { shared: '^2.0.0' } },
      'node_modules/optional': {
        version: '1.1.0',
        dev: true,
        peerDependencies: { driver: '*', absent: '*', linter: '*' },
        peerDependenciesMeta: { linter: { optional: true } },
      },
      'node_modules/linter': { version: '9.0.0', dev: true },
    },
  };

  it('is what users install: dependencies, peers, optional peers and theirs, none of them as a development dependency', () => {
    const { manifest, lock: production } = productionProject(lock);
    expect(manifest['dependencies']).toEqual({ a: '1.0.0', driver: '3.1.0', optional: '1.1.0' });
    expect(Object.keys(production.packages).toSorted()).toEqual([
      '',
      'node_modules/a',
      'node_modules/a/node_modules/shared',
      'node_modules/driver',
      'node_modules/optional',
      'node_modules/shared',
    ]);
    expect(JSON.stringify(production)).not.toContain('"dev"');
  });

  it('a lock file that lacks a package is refused', () => {
    const broken = { ...lock, packages: { '': lock.packages[''] } };
    expect(() => productionProject(broken)).toThrow(/lacks (a|driver|optional)/);
  });

  it('holds the drivers of this package', () => {
    const { lock: production } = productionProject(JSON.parse(readFileSync('package-lock.json', 'utf8')));
    const names = Object.keys(production.packages);
    for (const name of ['mysql2', 'typeorm', '@elastic/elasticsearch', '@vlasky/zongji', 'zod', 'rxjs'])
      expect(names).toContain(`node_modules/${name}`);
    for (const name of ['jest', 'oxlint', 'playwright-core']) expect(names).not.toContain(`node_modules/${name}`);
  });
});
