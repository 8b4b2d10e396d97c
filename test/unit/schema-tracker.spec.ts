import { describe, expect, it } from '@jest/globals';
import { schemaEffect } from '../../src/binlog/schema.tracker.js';

const WATCHED = ['app.product', 'app.order-line', 'other.product'];
const effect = (statement: string) => schemaEffect(statement, 'app', WATCHED);

describe('schemaEffect', () => {
  it.each([
    ['ALTER TABLE product ADD COLUMN x INT', ['app.product'], false],
    ['ALTER TABLE `other`.`product` DROP COLUMN x', ['other.product'], false],
    ['alter table other . product add index (x)', ['other.product'], false],
    ['ALTER TABLE product RENAME COLUMN a TO b', ['app.product'], false],
    ['ALTER TABLE product RENAME INDEX a TO b', ['app.product'], false],
    ['ALTER TABLE product RENAME TO gone', ['app.product'], true],
    ['ALTER TABLE product TRUNCATE PARTITION p0', ['app.product'], true],
    ['ALTER TABLE product EXCHANGE PARTITION p0 WITH TABLE x', ['app.product'], true],
    ['ALTER TABLE product DISCARD TABLESPACE', ['app.product'], true],
    ['RENAME TABLE product TO _product_del, _product_gho TO product', ['app.product'], true],
    ['TRUNCATE product', ['app.product'], true],
    ['TRUNCATE TABLE `order-line`', ['app.order-line'], true],
    ['DROP TABLE IF EXISTS x, other.product', ['other.product'], true],
    ['CREATE TABLE product (id INT)', ['app.product'], true],
    ['DROP DATABASE other', ['other.product'], true],
    ['CREATE INDEX x ON product (title)', ['app.product'], false],
    ['/* a comment about product */ ALTER TABLE x ADD y INT', [], false],
    [`ALTER TABLE x COMMENT 'product'`, [], false],
    ['ALTER TABLE x ADD y INT -- product\n', [], false],
    ['/*!40000 ALTER TABLE product DISABLE KEYS */', ['app.product'], false],
    ['UPDATE product SET a = 1', ['app.product'], true],
  ])('%s', (statement, tables, rowsMayDiffer) => {
    const found = effect(statement);
    expect(found.tables).toEqual(tables);
    if (tables.length > 0) expect(found.rowsMayDiffer).toBe(rowsMayDiffer);
  });
});
