import type { EntityContext } from '../entity/entity.context.js';
import type { Suspect } from './difference.recheck.js';
import { DocumentKeys } from './document.keys.js';
import { type Owned, RowPresence } from './row.presence.js';

interface Sharer {
  readonly keys: DocumentKeys;
  readonly presence: RowPresence;
  /** The same entity on another DataSource: what is a key here is one there. */
  readonly same: boolean;
}

/** The other tables of this application whose documents are in the same index: shards, most often. */
export class SharedIndex {
  private readonly sharers: readonly Sharer[];

  constructor({ binding }: EntityContext, all: readonly EntityContext[]) {
    const others = all.map((context) => context.binding).filter((other) => other !== binding);
    this.sharers = others
      .filter(({ alias }) => alias === binding.alias)
      .map((other) => ({
        keys: new DocumentKeys(other),
        presence: new RowPresence(other),
        same: other.target === binding.target,
      }));
  }

  get isShared(): boolean {
    return this.sharers.length > 0;
  }

  /** Those that no other table has a row for. What cannot be told may be another's. */
  async nobodysElse<One extends Suspect>(suspects: readonly One[]): Promise<One[]> {
    let left = [...suspects];
    for (const { keys, presence, same } of this.sharers) {
      const owned: Owned[] = [];
      const unknown = new Set<string>();
      for (const { documentId, key } of left) {
        const owner = same ? (key ?? 'nobody') : keys.ownerOf(documentId, {});
        if (owner === 'unknown') unknown.add(documentId);
        else if (owner !== 'nobody') owned.push({ documentId, key: owner });
      }
      const without = new Set((await presence.without(owned)).map(({ documentId }) => documentId));
      const theirs = new Set(owned.map(({ documentId }) => documentId).filter((id) => !without.has(id)));
      left = left.filter(({ documentId }) => !theirs.has(documentId) && !unknown.has(documentId));
    }
    return left;
  }
}
