import type { EntityContext } from '../entity/entity.context.js';
import { markRestored } from '../entity/document.builder.js';
import type { DocumentWrite } from '../protocol/outcome.js';

/** No writer is that late, in microseconds: older versions need not be asked about. */
const RECENT_MICROS = 2 * 3_600_000 * 1_000;

/**
 * Documents of rows as the index that decides has them: with the marker, where the row was put back at this version. A writer who lost the
 * slot there, and looks who has it only after the exchange, must find the same.
 */
export async function withMarkers(
  { documents, binding }: EntityContext,
  writes: readonly DocumentWrite[],
  timeoutMs: number,
): Promise<DocumentWrite[]> {
  const since = Date.now() * 1_000 - RECENT_MICROS;
  const recent = writes.filter(({ version, body }) => version > since && body !== null);
  if (recent.length === 0) return [...writes];
  const ids = recent.map(({ id }) => id);
  const slots = await documents.look(binding.alias, ids, { timeoutMs });
  const restored = new Set<DocumentWrite>();
  recent.forEach((write, at) => {
    const slot = slots[at]!;
    if (slot.found && slot.version === write.version && slot.restored === write.version) restored.add(write);
  });
  return writes.map((write) => {
    if (!restored.has(write) || write.body === null) return write;
    return { ...write, body: markRestored(write.body, write.version) };
  });
}
