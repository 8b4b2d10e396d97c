import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, UpdateDateColumn } from 'typeorm';
import { Consistency, defineConsistentRepository } from '../../../src/index.js';

/** Each breaks a statement, a path or a pattern that does not quote it: quotes of every kind, placeholders, comments, blanks, reserved words. */
export const TABLE = 'dröp `table` "x"; -- \' ? % \\ :id 表 select';
export const KEY = '`id` ? = 1 OR 1';
export const VALUE = `val'ue"; DROP TABLE x; -- \\`;
export const RESERVED = 'select';
export const JSON_PATH = '$."a"[0].`b`';
export const CHANGED = 'ON UPDATE "now"';
export const PARENT = 'parent` key';
/** Prefix of the protocol's own columns. */
const PREFIX = 'c`ö "n"_';
export const INDEX = "ünï-表'`;%24&=($x)";

@Entity({ name: TABLE })
export class Hostile {
  @PrimaryColumn({ name: KEY, length: 64 }) id!: string;
  @Column({ name: VALUE, length: 99, default: 'd' }) value!: string;
  @Column({ name: RESERVED, type: 'int', nullable: true }) reserved!: number | null;
  @Column({ name: JSON_PATH, type: 'json', nullable: true }) json!: unknown;
  @UpdateDateColumn({ name: CHANGED }) changedAt!: Date;
  @ManyToOne(() => Hostile, { nullable: true }) @JoinColumn({ name: PARENT }) parent!: Hostile | null;
  @Column(() => Consistency, { prefix: PREFIX }) consistency!: Consistency;
}

export const quoted = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** As a person makes the table, before the protocol's columns are added to it. */
export const TABLE_SQL =
  `CREATE TABLE ${quoted(TABLE)} (${quoted(KEY)} VARCHAR(64) NOT NULL PRIMARY KEY, ` +
  `${quoted(VALUE)} VARCHAR(99) NOT NULL DEFAULT 'd', ${quoted(RESERVED)} INT NULL, ${quoted(JSON_PATH)} JSON NULL, ` +
  `${quoted(CHANGED)} DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), ` +
  `${quoted(PARENT)} VARCHAR(64) NULL, FOREIGN KEY (${quoted(PARENT)}) REFERENCES ${quoted(TABLE)} (${quoted(KEY)}))`;

export const hostileRepository = (index: string) => defineConsistentRepository(Hostile, { index });
