/**
 * The versions of the last applied requests, by document id: the next adoption of a row that SQL changes again comes above
 * it. Bounded; what was forgotten costs a comparison.
 */
export class AppliedVersions {
  private readonly versions = new Map<string, number>();

  constructor(private readonly max = 100_000) {}

  get(id: string): number | null {
    return this.versions.get(id) ?? null;
  }

  set(id: string, version: number): void {
    // Taken out first, so that the map stays in the order of use.
    this.versions.delete(id);
    this.versions.set(id, version);
    if (this.versions.size <= this.max) return;
    for (const oldest of this.versions.keys()) {
      this.versions.delete(oldest);
      return;
    }
  }

  clear(): void {
    this.versions.clear();
  }
}
