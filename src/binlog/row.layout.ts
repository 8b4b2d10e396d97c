import type { EntityBinding } from '../entity/entity.binding.js';
import type { RowImage } from '../entity/row.image.js';
import { isBinary } from '../mysql/driver.codec.js';
import type { BinlogColumn, BinlogValues } from './binlog.types.js';
import { DocumentWriter } from './document.writer.js';
import type { ToText } from './image.decoder.js';
import type { LineWriter } from './line.writer.js';
import type { RowView } from './row.view.js';
import type { TableDescription } from './table.description.js';

/** Makes exact texts of the log's values. Null where the log does not tell them exactly: then the row is read from MySQL. */
export interface ImageReader {
  image(columns: readonly BinlogColumn[], values: BinlogValues): RowImage | null;
  /** Only the key's columns. */
  key(columns: readonly BinlogColumn[], values: BinlogValues): RowImage | null;
  /** Of one column's values; null where none of them can be told. */
  texts(columns: readonly BinlogColumn[], name: string): ToText | null;
}

/** The log's rows of this table lack what the entity needs: nothing can be made of them. */
export class TableUnreadable extends Error {}

interface KeyColumn {
  readonly at: number;
  readonly name: string;
  readonly toText: ToText;
}

/** What the names in the log mean, by their places in its rows; found once for each table map. */
export interface RowLayout {
  readonly state: number;
  readonly version: number;
  /** -1 where the table has none. */
  readonly pending: number;
  /** A row with a value here has no document; -1 where there is no such column. */
  readonly deleted: number;
  /** Columns that the document may show. */
  readonly shown: readonly number[];
  readonly key: readonly KeyColumn[];
  readonly keyPlaces: readonly number[];
  /** The key is one column whose text is the document's id. */
  readonly keyIsId: boolean;
  /** Null where documents are not made of columns one by one. */
  readonly writer: DocumentWriter | null;
}

const untold: ToText = () => null;

/** `needsEntity`: documents are made of entities, so any mapped column may show. Throws `TableUnreadable`. */
export function rowLayout(
  binding: EntityBinding,
  description: TableDescription,
  images: ImageReader,
  needsEntity: boolean,
  out: LineWriter,
): RowLayout {
  const { columns } = description;
  const { names, key, metadata, options } = binding;
  const place = (name: string | undefined): number => columns.findIndex((column) => column.name === name);
  const mapped = binding.columns.filter((column) => column.metadata);
  const needed = [names.state, names.version, ...mapped.map(({ name }) => name)];
  const missing = needed.filter((name) => place(name) < 0);
  if (missing.length > 0) {
    throw new TableUnreadable(
      `its rows in the log lack the column${missing.length > 1 ? 's' : ''} ${missing.join(', ')}, which the entity maps`,
    );
  }
  const deleted = metadata.deleteDateColumn?.databaseName;
  const shown = mapped.filter((column) => needsEntity || column.metadata!.isSelect || column.name === deleted);
  const texts = (name: string): ToText | null => images.texts(columns, name);
  return {
    state: place(names.state),
    version: place(names.version),
    pending: place(names.pending),
    deleted: place(deleted),
    shown: shown.map(({ name }) => place(name)),
    key: key.map(({ name }) => ({ at: place(name), name, toText: texts(name) ?? untold })),
    keyPlaces: key.map(({ name }) => place(name)),
    keyIsId: !options.documentId && key.length === 1 && !isBinary(key[0]!.codec.dataType),
    writer: needsEntity ? null : DocumentWriter.of(binding, description, texts, out),
  };
}

export function isDeleted(row: RowView, { deleted }: RowLayout): boolean {
  return deleted >= 0 && !row.isNull(deleted);
}
