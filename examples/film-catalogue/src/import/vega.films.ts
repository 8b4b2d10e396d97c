import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Film } from '../films/film.entity.js';

/** One film as the npm package `vega-datasets` has it (data/movies.json). */
export type VegaFilm = Readonly<Record<string, string | number | null>>;

/** What had to be changed, and how often. Everything else is used as it came. */
export interface Cleaning {
  readonly changes: Readonly<Record<string, number>>;
  /** How many films lack a value, by property, most often missing first. */
  readonly missing: readonly { readonly property: string; readonly films: number }[];
}

export const NO_TITLE = '(no title in the data set)';
/** The data was collected in 2010 and 2011; of what it dates later, the century is wrong (Gone with the Wind: 2039). */
const LAST_YEAR = 2011;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** Latin-1 that was once read as Mac Roman: the wrong character, and what it stood for. */
const MISREAD: Readonly<Record<string, string>> = {
  È: 'é',
  Í: 'ê',
  Ë: 'è',
  Î: 'ë',
  Û: 'ó',
  Ù: 'ô',
  '˘': 'ù',
  '·': 'á',
  '‰': 'ä',
  '‡': 'à',
  Ω: '½',
  Ö: '…',
};
const MISREAD_CHARACTERS = new RegExp(`[${Object.keys(MISREAD).join('')}]`, 'gu');

export async function readVegaFilms(): Promise<VegaFilm[]> {
  const file = new URL('../data/movies.json', import.meta.resolve('vega-datasets'));
  return JSON.parse(await readFile(fileURLToPath(file), 'utf8')) as VegaFilm[];
}

/** Makes films of the raw data. None is left out. */
export function cleanFilms(raw: readonly VegaFilm[]): { films: Partial<Film>[]; cleaning: Cleaning } {
  const films = raw.map(cleanFilm);
  const changes: Record<string, number> = {};
  const missing: Record<string, number> = {};
  for (const film of films) {
    for (const note of film.importNotes ?? []) changes[note] = (changes[note] ?? 0) + 1;
    for (const [property, value] of Object.entries(film)) {
      if (value === null && property !== 'importNotes') missing[property] = (missing[property] ?? 0) + 1;
    }
  }
  const byNumber = Object.entries(missing).map(([property, count]) => ({ property, films: count }));
  return { films, cleaning: { changes, missing: byNumber.toSorted((a, b) => b.films - a.films) } };
}

function cleanFilm(raw: VegaFilm): Partial<Film> {
  const notes: string[] = [];
  return {
    title: titleOf(raw.Title ?? null, notes),
    releasedOn: dateOf(String(raw['Release Date']), notes),
    director: textOrNull(raw.Director),
    distributor: textOrNull(raw.Distributor),
    genre: textOrNull(raw['Major Genre']),
    creativeType: textOrNull(raw['Creative Type']),
    source: textOrNull(raw.Source),
    mpaaRating: textOrNull(raw['MPAA Rating']),
    runningTimeMinutes: numberOrNull(raw['Running Time min']),
    rottenTomatoesRating: numberOrNull(raw['Rotten Tomatoes Rating']),
    imdbRating: numberOrNull(raw['IMDB Rating'])?.toFixed(1) ?? null,
    imdbVotes: numberOrNull(raw['IMDB Votes']),
    productionBudget: textOrNull(raw['Production Budget']),
    usGross: textOrNull(raw['US Gross']),
    worldwideGross: textOrNull(raw['Worldwide Gross']),
    usDvdSales: textOrNull(raw['US DVD Sales']),
    importNotes: notes.length > 0 ? notes : null,
  };
}

function titleOf(title: string | number | null, notes: string[]): string {
  if (title === null) {
    notes.push('had no title');
    return NO_TITLE;
  }
  if (typeof title === 'number') notes.push('title was a number');
  const text = String(title);
  const repaired = text.replace(MISREAD_CHARACTERS, (character) => MISREAD[character]!);
  if (repaired !== text) notes.push('title had misread letters');
  return repaired;
}

/** `Jun 12 1998` → `1998-06-12`. */
function dateOf(text: string, notes: string[]): string {
  const [, month = '', day = '', year = ''] = /^(\w{3}) (\d{2}) (\d{4})$/.exec(text) ?? [];
  const monthNumber = MONTHS.indexOf(month) + 1;
  if (monthNumber === 0) throw new Error(`the data set has changed: "${text}" is no release date`);
  const ahead = Number(year) > LAST_YEAR;
  if (ahead) notes.push('release was a century late');
  return `${Number(year) - (ahead ? 100 : 0)}-${String(monthNumber).padStart(2, '0')}-${day}`;
}

function textOrNull(value: string | number | null | undefined): string | null {
  return value === null || value === undefined || value === '' ? null : String(value);
}

function numberOrNull(value: string | number | null | undefined): number | null {
  return typeof value === 'number' ? value : null;
}
