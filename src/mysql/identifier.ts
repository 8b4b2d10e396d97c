/** A name as SQL takes it, whatever is in it. */
export function quote(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** A table's path, `database.table` or `table`, each part quoted. */
export function quotePath(path: string): string {
  return path.split('.').map(quote).join('.');
}
