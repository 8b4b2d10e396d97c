import { describe, expect, it } from '@jest/globals';
import { printedNumber } from '../../src/mysql/driver.codec.js';
import type { ColumnShape } from '../../src/mysql/table.introspection.js';

const column = (dataType: string, columnType: string) => ({ dataType, columnType }) as ColumnShape;

describe('the number that MySQL prints for a FLOAT or DOUBLE', () => {
  // Each as MySQL 9.7 printed it.
  it.each([
    ['float', 'float(12,2)', '819511.625', 819511.62],
    ['float', 'float(12,2)', '819511.875', 819511.88],
    ['float', 'float(12,2)', '-0.6200000047683716', -0.62],
    ['float', 'float(12,2)', '0.3799999952316284', 0.38],
    ['float', 'float(12,0)', '819512', 819512],
    ['double', 'double(12,2)', '819511.64', 819511.64],
    ['double', 'double(12,2)', '2.5', 2.5],
    ['double', 'double(30,0)', '1e25', 1e25],
  ])('%s as %s of %s is %d', (dataType, columnType, exact, printed) => {
    expect(printedNumber(column(dataType, columnType), exact)).toBe(printed);
  });

  it('keeps the sign of minus zero', () => {
    expect(Object.is(printedNumber(column('float', 'float(5,2)'), '-0'), -0)).toBe(true);
  });
});
