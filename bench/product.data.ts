import type { estypes } from '@elastic/elasticsearch';

/** The columns of the benchmark's entity, in every table and index alike. */
export interface ProductValues {
  sku: string;
  title: string;
  price: string;
  stock: number;
  attrs: object;
  updatedAt: Date;
}

const WORDS =
  'alpine birch copper delta ember fjord granite harbor indigo juniper kestrel lumen maple nickel onyx prairie quartz'.split(
    ' ',
  );
const COLORS = ['red', 'green', 'blue', 'black', 'white', 'orange'];
export const SEEDED_ROWS = 20_000;

/** About 300 bytes as JSON. A new `revision` changes all columns but the sku. */
export function productValues(number: number, revision = 0): ProductValues {
  const word = (at: number) => WORDS[(number * 7 + at * 11 + revision * 5) % WORDS.length]!;
  const title = [1, 2, 3, 4, 5, 6].map(word).join(' ');
  return {
    sku: `SKU-${String(number).padStart(10, '0')}`,
    title: `${title} number ${number} revision ${revision}`,
    price: (((number * 37 + revision * 11) % 100_000) / 100).toFixed(2),
    stock: (number * 13 + revision) % 1_000,
    attrs: {
      color: COLORS[(number + revision) % COLORS.length],
      size: `L${number % 9}`,
      weight: number % 5_000,
      tags: [word(9), word(10)],
    },
    updatedAt: new Date(),
  };
}

/** A row that a caller has loaded and then changed. */
export function changedProduct(revision: number): ProductValues & { id: string } {
  const number = 1 + Math.floor(Math.random() * SEEDED_ROWS);
  return { id: String(number), ...productValues(number, 1 + (revision % 1_000)) };
}

/** The document that the peers write: field by field what the library makes of the same row. */
export function documentOf(id: string, values: ProductValues): object {
  const { sku, title, price, stock, attrs, updatedAt } = values;
  return { id, sku, title, price, stock, attrs, updatedAt: updatedAt.toISOString() };
}

export const MAPPINGS: estypes.MappingTypeMapping = {
  dynamic: 'strict',
  properties: {
    id: { type: 'keyword' },
    sku: { type: 'keyword' },
    title: { type: 'text' },
    price: { type: 'double' },
    stock: { type: 'integer' },
    attrs: {
      properties: {
        color: { type: 'keyword' },
        size: { type: 'keyword' },
        weight: { type: 'integer' },
        tags: { type: 'keyword' },
      },
    },
    updatedAt: { type: 'date' },
  },
};
export const SETTINGS: estypes.IndicesIndexSettings = { number_of_shards: 1, number_of_replicas: 0 };
