export function mark(name: string, rows: number): void {
  console.log(`MARK ${name} ${Date.now()} ${rows}`);
}
