import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { productionProject } from './audit.lockfile.mjs';
import { judgeAudit } from './audit.report.mjs';

// Asks the registry for known vulnerabilities of what users of the package install: dependencies and peers, the optional ones too.
// Fails on high and critical ones. Where the registry has no audit, or cannot be reached, it says so and passes.
//   node tools/ci/audit.check.mjs

const folder = mkdtempSync(join(tmpdir(), 'nest-consistent-audit-'));
try {
  const { manifest, lock } = productionProject(JSON.parse(readFileSync('package-lock.json', 'utf8')));
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock));
  const args = ['audit', '--json', '--omit=dev', '--package-lock-only', '--fetch-retries=1', '--fetch-timeout=30000'];
  const env = { ...process.env, npm_config_audit: 'true' };
  const { stdout, stderr, error } = spawnSync('npm', args, {
    cwd: folder,
    encoding: 'utf8',
    env,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) throw error;
  const { passes, lines } = judgeAudit(stdout, stderr);
  for (const line of lines) console.log(line);
  if (!passes) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
