/** Options of every command that are followed by a value. */
const WITH_VALUE = new Set([
  '--app',
  '--mysql',
  '--mysql-ca',
  '--elasticsearch',
  '--elasticsearch-ca',
  '--table',
  '--index',
  '--data-source',
]);
const ALONE = new Set(['--json', '--no-color', '--verbose']);

/**
 * `nest-consistent --app x verify` is `nest-consistent verify --app x`: what stands before the command goes to its end.
 * What is not known here stays, and is refused by its name.
 */
export function commandFirst(given: readonly string[]): string[] {
  const leading: string[] = [];
  const rest = [...given];
  while (rest[0]?.startsWith('--')) {
    const name = rest[0].split('=')[0]!;
    const takes = WITH_VALUE.has(name) && !rest[0].includes('=') ? 2 : 1;
    if (!WITH_VALUE.has(name) && !ALONE.has(name)) break;
    leading.push(...rest.splice(0, takes));
  }
  return rest.length === 0 ? leading : [...rest, ...leading];
}
