import {
  Column,
  CreateDateColumn,
  DeleteDateColumn,
  Entity,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
  VersionColumn,
} from 'typeorm';
import {
  Consistency,
  ConsistentRepository,
  type ConsistentEntityOptions,
  defineConsistentRepository,
} from '../../src/index.js';

/** The entity of most tests: defaults, a unique column, dates, exact numbers, JSON, soft delete. */
@Entity('product')
export class Product {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id!: string;
  @Column({ unique: true }) sku!: string;
  @Column() title!: string;
  @Column({ type: 'decimal', precision: 20, scale: 4, default: '1.5000' }) price!: string;
  @Column({ type: 'int', default: 7 }) stock!: number;
  @Column({ type: 'json', nullable: true }) attributes!: unknown;
  @Column({ type: 'datetime', precision: 6, nullable: true }) releasedAt!: Date | null;
  @Column({ type: 'boolean', default: true }) active!: boolean;
  @CreateDateColumn() createdAt!: Date;
  @UpdateDateColumn() updatedAt!: Date;
  @DeleteDateColumn() deletedAt!: Date | null;
  @VersionColumn() revision!: number;
  @Column(() => Consistency) consistency!: Consistency;
}

export const PRODUCT_MAPPINGS = {
  dynamic: 'strict',
  properties: {
    id: { type: 'keyword' },
    sku: { type: 'keyword' },
    title: { type: 'text' },
    price: { type: 'double' },
    stock: { type: 'integer' },
    attributes: { type: 'object', enabled: false },
    releasedAt: { type: 'date' },
    active: { type: 'boolean' },
    createdAt: { type: 'date' },
    updatedAt: { type: 'date' },
    deletedAt: { type: 'date' },
    revision: { type: 'integer' },
  },
} as const satisfies ConsistentEntityOptions['mappings'];

export type ProductRepository = ConsistentRepository<Product>;

let serial = 0;

/** A product with a sku of its own. */
export function product(properties: Partial<Product> = {}): Partial<Product> {
  return { sku: `sku-${process.pid}-${++serial}`, title: 'a film', ...properties };
}

/** A repository class for `Product` on this index, with what a test wants changed. */
export function productRepository(index: string, options: Partial<ConsistentEntityOptions<Product>> = {}) {
  return defineConsistentRepository(Product, { index, mappings: PRODUCT_MAPPINGS, ...options });
}
