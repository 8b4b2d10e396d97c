import { expect } from '@jest/globals';
import { type Faulty, freshId, OLD } from './faulty.js';
import { product } from './product.js';

/** Rows of a `Faulty`'s table: made in bulk through the library, changed and read around it. */
export class SeededProducts {
  constructor(private readonly faulty: Faulty) {}

  /** Many rows with their documents, in few statements. */
  async seed(rows: number): Promise<string[]> {
    const given = Array.from({ length: rows }, () => product({ id: freshId(), title: OLD }));
    const outcomes = await this.faulty.others.saveMany(given);
    expect(outcomes.filter(({ status }) => status !== 'committed')).toEqual([]);
    return given.map(({ id }) => id!);
  }

  async versionOf(id: string): Promise<number> {
    return Number((await this.faulty.row(id))!.consistency_version);
  }

  /** A document written by a stranger. Without a document: deleted. */
  async foreign(id: string, version: number, document: object | null): Promise<void> {
    const request = { index: this.faulty.stores.index('products'), id, version, version_type: 'external' } as const;
    if (document === null) await this.faulty.stores.client.delete(request);
    else await this.faulty.stores.client.index({ ...request, document });
  }
}
