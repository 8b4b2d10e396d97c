import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Consistency, Consistent, ConsistentRepository } from '../src/index.js';
import { MAPPINGS, SETTINGS } from './product.data.js';

/** What the peers write: no column more than they need. */
@Entity('plain_product')
export class PlainProduct {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id: string;
  @Column({ type: 'varchar', length: 64 }) sku: string;
  @Column({ type: 'varchar', length: 255 }) title: string;
  @Column({ type: 'decimal', precision: 12, scale: 2 }) price: string;
  @Column({ type: 'int' }) stock: number;
  @Column({ type: 'json' }) attrs: object;
  @Column({ type: 'datetime', precision: 3 }) updatedAt: Date;
}

@Entity('outbox')
export class OutboxEntry {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id: string;
  @Column({ type: 'bigint' }) productId: string;
  @Column({ type: 'mediumtext' }) payload: string;
}

@Entity('consistent_product')
export class ConsistentProduct {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id: string;
  @Column({ type: 'varchar', length: 64 }) sku: string;
  @Column({ type: 'varchar', length: 255 }) title: string;
  @Column({ type: 'decimal', precision: 12, scale: 2 }) price: string;
  @Column({ type: 'int' }) stock: number;
  @Column({ type: 'json' }) attrs: object;
  @Column({ type: 'datetime', precision: 3 }) updatedAt: Date;
  @Column(() => Consistency) consistency: Consistency;
}

@Consistent(ConsistentProduct, { index: 'bench-consistent', mappings: MAPPINGS, settings: SETTINGS })
export class ConsistentProductRepository extends ConsistentRepository<ConsistentProduct> {}
