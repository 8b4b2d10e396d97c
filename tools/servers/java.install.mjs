import { readFileSync } from 'node:fs';
import { readdir, realpath, rename, mkdir, writeFile, access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheFolder, canReach, serverUser } from './cache.folder.mjs';
import { runToEnd, which } from './child.process.mjs';
import { loaderPaths, unpackPackages } from './debian.packages.mjs';
import { writeTruststore } from './truststore.writer.mjs';

const PRIVATE_JAVA = 'java-25';
const PRIVATE_JAVA_PACKAGES = ['openjdk-25-jre-headless', 'maven'];
/** The newest Java that the pinned Elasticsearch versions were tried on; a newer one is taken only if nothing else fits. */
const NEWEST_TRIED = 25;

/**
 * @typedef {object} Jdk
 * @property {string} home
 * @property {number} major
 */

/** @param {string} home @returns {Jdk | undefined} */
function readJdk(home) {
  try {
    const found = readFileSync(join(home, 'release'), 'utf8').match(/^JAVA_VERSION="(\d+)/m);
    return found ? { home, major: Number(found[1]) } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {Jdk[]} jdks
 * @param {number} minMajor
 * @returns {Jdk | undefined} the newest one that was tried, else the oldest of the newer ones
 */
export function chooseJdk(jdks, minMajor) {
  const fit = jdks.filter(({ major }) => major >= minMajor).sort((a, b) => b.major - a.major);
  return fit.find(({ major }) => major <= NEWEST_TRIED) ?? fit.at(-1);
}

/**
 * The JDK of this machine to run Elasticsearch on: `ES_JAVA_HOME` if set, else one of `JAVA_HOME`, /usr/lib/jvm, `java`
 * on the PATH and the one unpacked earlier.
 * @param {number} minMajor
 */
export async function findJdk(minMajor) {
  const env = process.env;
  const user = serverUser();
  const homes = [];
  if (env.ES_JAVA_HOME) homes.push(env.ES_JAVA_HOME);
  else {
    if (env.JAVA_HOME) homes.push(env.JAVA_HOME);
    for (const folder of ['/usr/lib/jvm', join(cacheFolder(), PRIVATE_JAVA, 'usr/lib/jvm')]) {
      for (const name of await readdir(folder).catch(() => [])) homes.push(join(folder, name));
    }
    const java = which('java');
    if (java) homes.push(dirname(dirname(await realpath(java))));
  }
  const jdks = homes.map(readJdk).filter((jdk) => jdk !== undefined);
  const usable = [];
  for (const jdk of jdks) {
    const runs = await access(join(jdk.home, 'bin/java'))
      .then(() => true)
      .catch(() => false);
    // As root, a JDK below root's home is of no use to the user that the server runs as.
    if (runs && canReach(await realpath(join(jdk.home, 'bin')), user)) usable.push(jdk);
  }
  return chooseJdk(usable, minMajor);
}

/**
 * A Java and a Maven of our own, unpacked from Debian packages.
 * @param {import('./progress.reporter.mjs').Reporter} reporter
 * @returns {Promise<{jdk: Jdk, maven: string}>}
 */
export async function unpackJava(reporter) {
  const root = await unpackPackages({
    name: PRIVATE_JAVA,
    packages: PRIVATE_JAVA_PACKAGES,
    reporter,
    finish: finishJava,
  });
  const jvms = join(root, 'usr/lib/jvm');
  const jdk = (await readdir(jvms)).map((name) => readJdk(join(jvms, name))).find((found) => found !== undefined);
  if (!jdk) throw new Error(`no JDK in ${jvms}: remove ${root} and try again`);
  return { jdk, maven: join(root, 'usr/share/maven/bin/mvn') };
}

/** @param {string} root */
async function finishJava(root) {
  const { libraries, loader } = loaderPaths();
  const jvms = join(root, 'usr/lib/jvm');
  const home = (await readdir(jvms, { withFileTypes: true })).find((entry) => entry.isDirectory())?.name;
  if (!home) throw new Error('the packages hold no JDK');
  const java = join(jvms, home, 'bin/java');
  await rename(java, `${java}.real`);
  // Java starts children through a helper program that would look for the host's older libc: FORK does without it.
  const script = `#!/bin/sh
home=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
root=$(CDPATH= cd -- "$home/../../../.." && pwd) || exit 1
unset LD_PRELOAD LD_LIBRARY_PATH
exec "$root/${loader}" --library-path "$root/${libraries}" "$home/bin/java.real" -Djdk.lang.Process.launchMechanism=FORK "$@"
`;
  await writeFile(java, script, { mode: 0o755 });
  await mkdir(join(root, 'etc/ssl/certs/java'), { recursive: true });
  await writeTruststore(join(root, 'etc/ssl/certs/java/cacerts'));
}

/**
 * Runs Maven: the machine's own, and where that is missing or fails, an unpacked one.
 * @param {string[]} args
 * @param {string} cwd some plugins write there, even without a project
 * @param {import('./progress.reporter.mjs').Reporter} reporter
 */
export async function runMaven(args, cwd, reporter) {
  const own = which('mvn');
  if (own) {
    try {
      return await runToEnd(own, args, { cwd });
    } catch (error) {
      reporter.say(`${own} failed, trying with a Maven and a JDK from Debian packages\n${String(error)}`);
    }
  }
  const { jdk, maven } = await unpackJava(reporter);
  return runToEnd(maven, args, {
    cwd,
    env: { ...process.env, JAVA_HOME: jdk.home, M2_HOME: undefined, MAVEN_HOME: undefined },
  });
}
