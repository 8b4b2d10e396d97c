import { z } from 'zod';
import { InvalidOptionsError } from './errors.js';

/**
 * Options as `schema` makes them, defaults filled in. Throws `InvalidOptionsError` that names every option that is wrong; `refusal` begins
 * its message, `data` goes with it.
 */
export function checkedOptions<Schema extends z.ZodType>(
  schema: Schema,
  options: unknown,
  refusal: string,
  data: Readonly<Record<string, unknown>> = {},
): z.output<Schema> {
  const parsed = schema.safeParse(options);
  if (parsed.success) return parsed.data;
  throw new InvalidOptionsError(`${refusal}:\n${z.prettifyError(parsed.error)}`, {
    ...data,
    issues: parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })),
  });
}
