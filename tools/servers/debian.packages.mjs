import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { folderSizeInBytes, openCache, withLock } from './cache.folder.mjs';
import { disown, own, runToEnd, which } from './child.process.mjs';
import { ServersError } from './servers.error.mjs';

/** Has the newest MySQL and JDK; `testing` is the second try, when a library of sid is in transition. */
const SUITES = [['sid'], ['sid', 'testing']];
const LISTS_FRESH_FOR_MS = 60 * 60 * 1_000;
const OTHER_WAYS = 'start a Docker engine, or set MYSQL_URL and ELASTICSEARCH_URL to servers of your own';

/** @type {Record<string, {debian: string, triplet: string, loader: string} | undefined>} */
const MACHINES = {
  x64: { debian: 'amd64', triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { debian: 'arm64', triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
};

/** Paths below an unpacked folder; its programs run through its own loader, as its libc can be newer than the host's. */
export function loaderPaths() {
  const machine = MACHINES[arch()];
  if (!machine) throw new ServersError(`no native servers for ${platform()} on ${arch()}`, OTHER_WAYS);
  const libraries = `usr/lib/${machine.triplet}`;
  return { debian: machine.debian, libraries, loader: `${libraries}/${machine.loader}` };
}

/**
 * Why packages cannot be unpacked here.
 * @returns {Promise<string | undefined>} undefined: they can
 */
export async function obstacleToPackages() {
  if (platform() !== 'linux' || !MACHINES[arch()]) return `${platform()} on ${arch()} is not supported`;
  for (const program of ['apt-get', 'dpkg-deb', 'flock']) if (!which(program)) return `${program} is missing`;
  return (await debianArchive()) ? undefined : "no Debian archive in this machine's apt sources";
}

/**
 * @param {string} sources all of apt's *.sources files
 * @param {string} lists all of apt's *.list files
 * @returns {string | undefined} the Debian archive in them, not the one of security updates
 */
export function findDebianArchive(sources, lists) {
  const uris = [...sources.matchAll(/^URIs:(.*)$/gm)].flatMap((found) => (found[1] ?? '').trim().split(/\s+/));
  for (const found of lists.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s/gm)) uris.push(found[1] ?? '');
  return uris.find((uri) => /\/debian\/?$/.test(uri));
}

async function debianArchive() {
  /** @param {string} path */
  const read = (path) => readFile(path, 'utf8').catch(() => '');
  const folder = '/etc/apt/sources.list.d';
  const names = await readdir(folder).catch(() => []);
  /** @param {string} ending */
  const all = (ending) =>
    Promise.all(names.filter((name) => name.endsWith(ending)).map((name) => read(join(folder, name))));
  const [sources, lists] = await Promise.all([all('.sources'), all('.list')]);
  return findDebianArchive(sources.join('\n'), [await read('/etc/apt/sources.list'), ...lists].join('\n'));
}

/** Never installed for us: only helper scripts want it, and no server runs them. */
const PLACEHOLDER = (/** @type {string} */ architecture) => `Package: perl
Status: install ok installed
Maintainer: nobody <nobody@localhost>
Architecture: ${architecture}
Multi-Arch: allowed
Version: 99
Description: placeholder

`;

/** Options that keep apt wholly inside one folder, with (but for perl) no package installed. @param {string} root */
function aptOptions(root) {
  const { debian } = loaderPaths();
  return Object.entries({
    'Dir::State': `${root}/state`,
    'Dir::State::status': `${root}/status`,
    'Dir::Cache': `${root}/cache`,
    'Dir::Etc::sourcelist': `${root}/sources.list`,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Architecture': debian,
    'APT::Architectures::': debian,
    'APT::Install-Recommends': 'false',
    // The user _apt could not write here; without root this setting has no effect.
    'APT::Sandbox::User': 'root',
    'APT::Update::Error-Mode': 'any',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
    'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled': 'false',
    'Debug::NoLocking': 'true',
  }).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/**
 * @param {string} root
 * @param {string[]} args
 */
function aptGet(root, args) {
  return runToEnd('apt-get', ['-q', '-y', ...aptOptions(root), ...args], { env: { ...process.env, LC_ALL: 'C' } });
}

/**
 * @param {string} root
 * @param {string} archive
 * @param {string[]} suites
 * @param {import('./progress.reporter.mjs').Reporter} reporter
 */
async function updateLists(root, archive, suites, reporter) {
  await mkdir(`${root}/state/lists/partial`, { recursive: true });
  await mkdir(`${root}/cache/archives/partial`, { recursive: true });
  await writeFile(`${root}/status`, PLACEHOLDER(loaderPaths().debian));
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const signedBy = (await stat(keyring).catch(() => undefined)) ? `[signed-by=${keyring}] ` : '';
  const lines = suites.map((suite) => `deb ${signedBy}${archive} ${suite} main\n`).join('');
  const file = `${root}/sources.list`;
  const before = await readFile(file, 'utf8').catch(() => '');
  const updated = await stat(`${root}/updated`).catch(() => undefined);
  if (before === lines && updated && Date.now() - updated.mtimeMs < LISTS_FRESH_FOR_MS) return;
  await writeFile(file, lines);
  const lists = () => folderSizeInBytes(`${root}/state/lists`);
  await reporter.track(`package lists of Debian ${suites.join(' and ')}`, lists, undefined, aptGet(root, ['update']));
  await writeFile(`${root}/updated`, '');
}

/**
 * Downloads packages and everything they need.
 * @param {string} root
 * @param {string} archive
 * @param {string[]} packages
 * @param {import('./progress.reporter.mjs').Reporter} reporter
 * @returns {Promise<string[]>} the .deb files
 */
async function download(root, archive, packages, reporter) {
  const archives = `${root}/cache/archives`;
  /** @type {unknown} */
  let lastError;
  for (const suites of SUITES) {
    try {
      await updateLists(root, archive, suites, reporter);
      await rm(archives, { recursive: true, force: true });
      await mkdir(`${archives}/partial`, { recursive: true });
      const uris = await aptGet(root, ['--print-uris', 'install', ...packages]);
      const totalBytes = [...uris.matchAll(/^'\S+' \S+ (\d+)/gm)].reduce((sum, found) => sum + Number(found[1]), 0);
      const work = aptGet(root, ['--download-only', 'install', ...packages]);
      const size = () => folderSizeInBytes(archives);
      await reporter.track(`downloading ${packages.join(', ')} from Debian`, size, totalBytes, work);
      return (await readdir(archives)).filter((name) => name.endsWith('.deb')).map((name) => join(archives, name));
    } catch (error) {
      lastError = error;
    }
  }
  const fix = `look at the lines above; is ${archive} reachable from here? Otherwise ${OTHER_WAYS}`;
  throw new ServersError(`cannot get ${packages.join(', ')} from Debian: ${String(lastError)}`, fix, lastError);
}

/**
 * Absolute links inside an unpacked folder point at the host; make them point into the folder.
 * @param {string} root
 * @param {string} [folder]
 */
async function keepLinksInside(root, folder = root) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await keepLinksInside(root, path);
    if (!entry.isSymbolicLink()) continue;
    const target = await readlink(path);
    if (!target.startsWith('/') || !(await lstat(join(root, target)).catch(() => undefined))) continue;
    await unlink(path);
    await symlink(relative(dirname(path), join(root, target)), path);
  }
}

/**
 * Unpacks Debian packages with everything they need, their own libc included, into `<cache>/<name>`. Nothing is
 * installed on the host and no root is needed. Does nothing if the folder is already there.
 * @param {{name: string, packages: string[], reporter: import('./progress.reporter.mjs').Reporter,
 *   finish?: (folder: string) => Promise<void>}} options `finish` prepares the folder before it becomes visible
 * @returns {Promise<string>} the folder
 */
export async function unpackPackages({ name, packages, reporter, finish }) {
  const cache = await openCache();
  const home = join(cache, name);
  const isThere = () => stat(home).catch(() => undefined);
  if (await isThere()) return home;
  const obstacle = await obstacleToPackages();
  const archive = await debianArchive();
  if (obstacle || !archive) throw new ServersError(`cannot unpack ${packages.join(', ')}: ${obstacle}`, OTHER_WAYS);
  const install = async () => {
    if (await isThere()) return home;
    const aptRoot = join(cache, 'apt');
    const files = await download(aptRoot, archive, packages, reporter);
    const folder = await mkdtemp(`${home}.new-`);
    const unfinished = { folder };
    own(unfinished);
    try {
      for (const file of files) await runToEnd('dpkg-deb', ['-x', file, folder]);
      for (const unused of ['doc', 'man', 'lintian', 'locale', 'bug']) {
        await rm(join(folder, 'usr/share', unused), { recursive: true, force: true });
      }
      await finish?.(folder);
      await keepLinksInside(folder);
      await chmod(folder, 0o755);
      await runToEnd('chmod', ['-R', 'go+rX', folder]);
      await rename(folder, home);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    } finally {
      disown(unfinished);
    }
    await rm(join(aptRoot, 'cache'), { recursive: true, force: true });
    return home;
  };
  const onWait = () => reporter.say(`waiting for another run that downloads packages, to get ${packages.join(', ')}`);
  return withLock(join(cache, 'packages.lock'), install, onWait);
}
