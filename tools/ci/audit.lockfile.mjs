/**
 * What users of the package install: its dependencies and its peers, the optional ones too, and all that they need. In our own lock file peers
 * are development dependencies, so `npm audit --omit=dev` alone would never look at the drivers.
 */

/**
 * @typedef {Record<string, string>} Ranges
 * @typedef {{version?: string, dependencies?: Ranges, optionalDependencies?: Ranges, devDependencies?: Ranges, peerDependencies?: Ranges,
 *   peerDependenciesMeta?: Record<string, {optional?: boolean}>} & Record<string, unknown>} LockedPackage
 * @typedef {{name?: string, version?: string, lockfileVersion: number, packages: Record<string, LockedPackage>} & Record<string, unknown>} Lockfile
 */

/**
 * @param {Lockfile} lock of the repository
 * @returns {{manifest: LockedPackage, lock: Lockfile}} a project that depends on nothing else
 */
export function productionProject(lock) {
  const { dependencies = {}, peerDependencies = {}, devDependencies = {}, name, version } = lock.packages[''] ?? {};
  /** @type {Ranges} */
  const wanted = { ...dependencies };
  // At the versions that the tests run with; a range would ask about versions that nobody has tried.
  for (const peer of Object.keys(peerDependencies))
    wanted[peer] = devDependencies[peer] ?? peerDependencies[peer] ?? '*';
  const manifest = { name, version, dependencies: wanted };
  /** @type {Record<string, LockedPackage>} */
  const packages = { '': manifest };
  const open = Object.keys(wanted).map((needed) => ({ from: '', needed, must: true }));
  for (let next = open.pop(); next; next = open.pop()) {
    const path = placeOf(lock, next.from, next.needed);
    if (path === undefined) {
      if (next.must)
        throw new Error(
          `package-lock.json lacks ${next.needed}, which ${next.from || 'the package'} needs: npm install`,
        );
      continue;
    }
    if (packages[path]) continue;
    const {
      dev: _dev,
      devOptional: _devOptional,
      peer: _peer,
      devDependencies: _theirs,
      ...entry
    } = /** @type {LockedPackage} */ (lock.packages[path]);
    packages[path] = entry;
    for (const needed of Object.keys(entry.dependencies ?? {})) open.push({ from: path, needed, must: true });
    // Of other platforms, or left out by npm: what is installed counts.
    for (const needed of Object.keys(entry.optionalDependencies ?? {})) open.push({ from: path, needed, must: false });
    for (const needed of Object.keys(entry.peerDependencies ?? {})) {
      // Their optional peers are nobody's wish.
      if (!entry.peerDependenciesMeta?.[needed]?.optional) open.push({ from: path, needed, must: false });
    }
  }
  return { manifest, lock: { ...lock, packages } };
}

/**
 * Where Node would find it.
 * @param {Lockfile} lock
 * @param {string} from
 * @param {string} needed
 */
function placeOf(lock, from, needed) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const path = `${folder}${folder === '' ? '' : '/'}node_modules/${needed}`;
    if (lock.packages[path]) return path;
    if (folder === '') return undefined;
  }
}
