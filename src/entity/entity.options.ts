import { z } from 'zod';
import { checkedOptions } from '../checked.options.js';

const callable = z.custom<Function>((value) => typeof value === 'function', 'give a function');
const object = z.custom<object>((value) => typeof value === 'object' && value !== null, 'give an object');

/** What tombstones may be is checked with their defaults, and an alias's name with its index. */
const schema = z.strictObject({
  index: z.union([z.string(), callable], 'give the alias of the index, or a function of the DataSource name'),
  mappings: object.optional(),
  settings: object.optional(),
  toDocument: callable.optional(),
  documentId: callable.optional(),
  when: callable.optional(),
  refresh: z.union([z.boolean(), z.literal('wait_for')], "use false, true or 'wait_for'").optional(),
  decider: z.enum(['elasticsearch', 'mysql']).optional(),
  tombstones: z.unknown().optional(),
  tombstoneRetentionMs: z.unknown().optional(),
});

/**
 * Checks the options of one entity. A decider of another name would be neither: rows would be written by one rule and settled
 * by the other. Throws `InvalidOptionsError` that names every option that is wrong.
 */
export function checkEntityOptions(repository: string, options: unknown): void {
  checkedOptions(schema, options, `The options of ${repository} are not usable`, { repository });
}
