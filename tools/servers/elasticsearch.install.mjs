import { chmod, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { folderSizeInBytes, openCache, withLock } from './cache.folder.mjs';
import { disown, own, runToEnd } from './child.process.mjs';
import { findJdk, runMaven, unpackJava } from './java.install.mjs';
import { reasonOf, ServersError } from './servers.error.mjs';

/** Keep in step with docker-compose.yml. */
export const ELASTICSEARCH_VERSION = '9.5.0';
/** For machines that have no JDK 21 and cannot get one. */
const VERSION_FOR_OLD_JAVA = '8.19.5';
const MAVEN_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack';
/** A full server (REST, security) without extra modules: no painless, no reindex API. */
const ARTIFACT = 'org.elasticsearch.distribution.integ-test-zip:elasticsearch';

/** @param {string} version */
export const minJavaOf = (version) => (Number.parseInt(version, 10) >= 9 ? 21 : 17);

/**
 * @typedef {object} InstalledElasticsearch
 * @property {string} home
 * @property {string} version
 * @property {import('./java.install.mjs').Jdk} jdk
 */

/**
 * @param {string | undefined} version undefined: the newest that this machine can run
 * @param {import('./progress.reporter.mjs').Reporter} reporter
 * @returns {Promise<InstalledElasticsearch>}
 */
export async function installElasticsearch(version, reporter) {
  const wanted = version ?? ELASTICSEARCH_VERSION;
  const found = await findJdk(minJavaOf(wanted));
  if (found) return { home: await unpackElasticsearch(wanted, reporter), version: wanted, jdk: found };
  reporter.say(`elasticsearch: no JDK ${minJavaOf(wanted)} or newer here, taking one from Debian packages`);
  try {
    const { jdk } = await unpackJava(reporter);
    return { home: await unpackElasticsearch(wanted, reporter), version: wanted, jdk };
  } catch (error) {
    const old = version ? undefined : await findJdk(minJavaOf(VERSION_FOR_OLD_JAVA));
    if (old) {
      reporter.say(
        `elasticsearch: ${VERSION_FOR_OLD_JAVA} instead of ${wanted}, as there is only JDK ${old.major} (${reasonOf(error)})`,
      );
      return {
        home: await unpackElasticsearch(VERSION_FOR_OLD_JAVA, reporter),
        version: VERSION_FOR_OLD_JAVA,
        jdk: old,
      };
    }
    const fix = `install a JDK ${minJavaOf(wanted)} or newer (apt-get install openjdk-21-jre-headless maven), or set ES_JAVA_HOME to one`;
    throw new ServersError(
      `Elasticsearch ${wanted} needs a JDK ${minJavaOf(wanted)} or newer: ${reasonOf(error)}`,
      fix,
      error,
    );
  }
}

/**
 * @param {string} version
 * @param {import('./progress.reporter.mjs').Reporter} reporter
 * @returns {Promise<string>} its folder
 */
async function unpackElasticsearch(version, reporter) {
  const cache = await openCache();
  const home = join(cache, `elasticsearch-${version}`);
  const isThere = () => stat(home).catch(() => undefined);
  if (await isThere()) return home;
  const install = async () => {
    if (await isThere()) return home;
    const folder = await mkdtemp(join(cache, 'elasticsearch.new-'));
    const unfinished = { folder };
    own(unfinished);
    try {
      // A repository of its own: its size is the progress, and nothing stays behind in the user's.
      const repository = join(folder, 'repository');
      const args = ['-B', '-ntp', `-Dmaven.repo.local=${repository}`, MAVEN_PLUGIN];
      args.push(`-Dartifact=${ARTIFACT}:${version}:zip`, `-DoutputDirectory=${join(folder, 'server')}`);
      const size = () => folderSizeInBytes(repository);
      await reporter.track(
        `downloading Elasticsearch ${version} with Maven`,
        size,
        undefined,
        runMaven(args, folder, reporter),
      );
      const server = join(folder, 'server', `elasticsearch-${version}`);
      await chmod(server, 0o755);
      await runToEnd('chmod', ['-R', 'go+rX', server]);
      await rename(server, home);
      return home;
    } catch (error) {
      if (error instanceof ServersError) throw error;
      const fix =
        'check that Maven Central is reachable from here (for a proxy or mirror: ~/.m2/settings.xml), that the version exists, and: apt-get install maven';
      throw new ServersError(`cannot get Elasticsearch ${version}: ${reasonOf(error)}`, fix, error);
    } finally {
      await rm(folder, { recursive: true, force: true });
      disown(unfinished);
    }
  };
  const onWait = () => reporter.say(`waiting for another run that downloads Elasticsearch ${version}`);
  return withLock(join(cache, 'elasticsearch.lock'), install, onWait);
}
