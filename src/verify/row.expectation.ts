import { documentIdOf, documentTextOf } from '../entity/document.builder.js';
import type { EntityBinding } from '../entity/entity.binding.js';
import type { RowImage } from '../entity/row.image.js';
import type { Presence } from '../protocol/row.js';

/** The document that a row should have. */
export interface Expectation {
  readonly documentId: string;
  readonly presence: Presence;
  /** Null where contents are not compared, or there is to be no document. */
  readonly text: string | null;
}

const NO_ENTITY = {};

/** What rows expect of the index. Builds entities only where the application's own functions want to see them. */
export class RowExpectation {
  /** Whether the version alone is not enough to know if there is to be a document. */
  readonly needsWholeRows: boolean;
  private readonly needsEntity: boolean;

  constructor(private readonly binding: EntityBinding) {
    const { when, toDocument } = binding.options;
    this.needsWholeRows = when !== undefined;
    this.needsEntity = when !== undefined || toDocument !== undefined;
  }

  /** @throws InvalidDocumentError where the row cannot become a document, and whatever the application's functions throw */
  async of(image: RowImage, withText: boolean): Promise<Expectation> {
    const { binding } = this;
    const entity = this.needsEntity && (withText || this.needsWholeRows) ? await binding.hydrate(image) : NO_ENTITY;
    return this.from(image, entity, withText);
  }

  idOf(image: RowImage): string {
    return documentIdOf(this.binding, image);
  }

  /** As `of`, at once; null where an entity has to be built. */
  plain(image: RowImage, withText: boolean): Expectation | null {
    return this.needsEntity ? null : this.from(image, NO_ENTITY, withText);
  }

  private from(image: RowImage, entity: object, withText: boolean): Expectation {
    const { binding } = this;
    const presence = binding.presence(image, entity);
    const text = withText && presence === 'present' ? documentTextOf(binding, image, entity) : null;
    return { documentId: documentIdOf(binding, image), presence, text };
  }
}
