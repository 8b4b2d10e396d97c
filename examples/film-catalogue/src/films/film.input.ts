import { BadRequestException } from '@nestjs/common';
import { z } from 'zod';
import type { Film } from './film.entity.js';

const optionalText = (length: number) => z.string().trim().min(1).max(length).nullable().optional();
const amount = z
  .string()
  .regex(/^\d{1,18}$/, 'an amount in whole US dollars, as a string')
  .nullable()
  .optional();

const newFilm = z.strictObject({
  title: z.string().trim().min(1).max(200),
  releasedOn: z.iso.date(),
  director: optionalText(80),
  distributor: optionalText(80),
  genre: optionalText(40),
  creativeType: optionalText(40),
  source: optionalText(40),
  mpaaRating: optionalText(10),
  runningTimeMinutes: z.int().min(1).nullable().optional(),
  rottenTomatoesRating: z.int().min(0).max(100).nullable().optional(),
  imdbRating: z
    .string()
    .regex(/^\d{1,2}(\.\d)?$/)
    .nullable()
    .optional(),
  imdbVotes: z.int().min(0).nullable().optional(),
  productionBudget: amount,
  usGross: amount,
  worldwideGross: amount,
  usDvdSales: amount,
});

function parse(schema: z.ZodType, body: unknown): Partial<Film> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw new BadRequestException(z.prettifyError(parsed.error));
  return parsed.data as Partial<Film>;
}

/** A body that makes a film. Throws `BadRequestException` that names every field which is wrong. */
export const parseNewFilm = (body: unknown): Partial<Film> => parse(newFilm, body);

/** A body that changes a film: any of the fields. */
export const parseFilmChanges = (body: unknown): Partial<Film> => parse(newFilm.partial(), body);
