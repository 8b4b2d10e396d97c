import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn, UpdateDateColumn } from 'typeorm';
import { Consistency } from 'nest-consistent';

@Entity('film')
export class Film {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id!: string;
  @Column({ length: 200 }) title!: string;
  @Column({ type: 'date' }) releasedOn!: string;
  @Column({ type: 'varchar', length: 80, nullable: true }) director!: string | null;
  @Column({ type: 'varchar', length: 80, nullable: true }) distributor!: string | null;
  @Column({ type: 'varchar', length: 40, nullable: true }) genre!: string | null;
  @Column({ type: 'varchar', length: 40, nullable: true }) creativeType!: string | null;
  @Column({ type: 'varchar', length: 40, nullable: true }) source!: string | null;
  @Column({ type: 'varchar', length: 10, nullable: true }) mpaaRating!: string | null;
  @Column({ type: 'int', nullable: true }) runningTimeMinutes!: number | null;
  @Column({ type: 'tinyint', unsigned: true, nullable: true }) rottenTomatoesRating!: number | null;
  /** A string, as every DECIMAL and BIGINT: JavaScript numbers would not hold them exactly. */
  @Column({ type: 'decimal', precision: 3, scale: 1, nullable: true }) imdbRating!: string | null;
  @Column({ type: 'int', unsigned: true, nullable: true }) imdbVotes!: number | null;
  /** US dollars, as all amounts here. */
  @Column({ type: 'bigint', nullable: true }) productionBudget!: string | null;
  @Column({ type: 'bigint', nullable: true }) usGross!: string | null;
  @Column({ type: 'bigint', nullable: true }) worldwideGross!: string | null;
  @Column({ type: 'bigint', nullable: true }) usDvdSales!: string | null;
  /** What the import had to change; null where the data was used as it came. */
  @Column({ type: 'json', nullable: true }) importNotes!: string[] | null;
  @CreateDateColumn() createdAt!: Date;
  @UpdateDateColumn() updatedAt!: Date;
  @Column(() => Consistency) consistency!: Consistency;
}
