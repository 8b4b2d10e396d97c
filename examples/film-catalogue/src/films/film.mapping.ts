import type { ConsistentEntityOptions } from 'nest-consistent';

/** `strict`: a field that nobody declared is refused instead of being guessed at. */
export const FILM_MAPPINGS = {
  dynamic: 'strict',
  properties: {
    id: { type: 'long' },
    title: { type: 'text', fields: { exact: { type: 'keyword' } } },
    releasedOn: { type: 'date' },
    releaseYear: { type: 'short' },
    director: { type: 'text', fields: { exact: { type: 'keyword' } } },
    distributor: { type: 'text' },
    genre: { type: 'keyword' },
    creativeType: { type: 'keyword' },
    source: { type: 'keyword' },
    mpaaRating: { type: 'keyword' },
    // MySQL's INT takes larger values than this: such a film is refused by the index, and its row is restored.
    runningTimeMinutes: { type: 'short' },
    rottenTomatoesRating: { type: 'byte' },
    imdbRating: { type: 'float' },
    imdbVotes: { type: 'integer' },
    productionBudget: { type: 'long' },
    usGross: { type: 'long' },
    worldwideGross: { type: 'long' },
    usDvdSales: { type: 'long' },
    importNotes: { type: 'keyword', index: false },
    createdAt: { type: 'date' },
    updatedAt: { type: 'date' },
  },
} as const satisfies ConsistentEntityOptions['mappings'];
