import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

// Loads the packed package as an application would: by plain Node, with import and with require, from a project of its
// own that has the tarball's files, its dependencies and its peer dependencies, and nothing else.
//   node tools/ci/package-load.check.mjs PACKED.tgz

const tarball = resolve(process.argv[2] ?? '');
const { name, exports, dependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const project = mkdtempSync(join(tmpdir(), 'nest-consistent-load-'));

/** @param {string} entry @param {string} code */
function namesFrom(entry, code) {
  // reflect-metadata first: decorated classes need it, and every Nest application loads it.
  const script = `require('reflect-metadata'); ${code.replaceAll('ENTRY', entry)}`;
  const output = execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', '-e', script], {
    cwd: project,
    encoding: 'utf8',
  });
  return JSON.parse(output);
}

try {
  const modules = join(project, 'node_modules');
  const unpacked = join(modules, name);
  mkdirSync(unpacked, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '-C', unpacked, '--strip-components=1']);
  for (const needed of Object.keys({ ...dependencies, ...peerDependencies })) {
    mkdirSync(dirname(join(modules, needed)), { recursive: true });
    symlinkSync(resolve('node_modules', needed), join(modules, needed));
  }
  writeFileSync(join(project, 'package.json'), '{}');
  for (const [subpath, target] of Object.entries(exports)) {
    if (typeof target === 'string') continue;
    const entry = join(name, subpath);
    const imported = namesFrom(
      entry,
      `import('ENTRY').then((m) => console.log(JSON.stringify(Object.keys(m).sort())))`,
    );
    const required = namesFrom(
      entry,
      `console.log(JSON.stringify(Object.keys(require('ENTRY')).filter((k) => k !== '__esModule').sort()))`,
    );
    if (imported.length === 0) throw new Error(`${entry} exports nothing`);
    if (JSON.stringify(imported) !== JSON.stringify(required)) throw new Error(`${entry}: import and require differ`);
    console.log(`${entry}: ${imported.length} names by import and by require`);
  }
} finally {
  rmSync(project, { recursive: true, force: true });
}
