import { documentTextOf, markRestored } from '../entity/document.builder.js';
import type { EntityBinding } from '../entity/entity.binding.js';
import type { DocumentWrite } from '../protocol/outcome.js';
import { imageBefore } from './resolution.js';
import type { Prepared } from './settle.case.js';

/** What the pending write puts at its version. Throws where no document can be made of the row. */
export async function writeAfter(binding: EntityBinding, { row, documentId }: Prepared): Promise<DocumentWrite> {
  const { version, pending, image } = row;
  const body = pending.next === 'absent' ? null : documentTextOf(binding, image, await binding.hydrate(image));
  return { id: documentId, version, body };
}

/** What puts the image before in the pending write's place, marked. Throws as `writeAfter`. */
export async function writeBefore(binding: EntityBinding, { row, documentId }: Prepared): Promise<DocumentWrite> {
  const { version, pending } = row;
  if (pending.before === 'absent') return { id: documentId, version, body: null };
  const image = imageBefore(row);
  if (!image) throw new Error('the pending column holds no undo image');
  const body = documentTextOf(binding, image, await binding.hydrate(image));
  return { id: documentId, version, body: markRestored(body, version) };
}
