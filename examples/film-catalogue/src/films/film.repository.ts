import { Consistent, ConsistentRepository } from 'nest-consistent';
import { filmsIndex } from '../catalogue.config.js';
import { Film } from './film.entity.js';
import { FILM_MAPPINGS } from './film.mapping.js';

@Consistent(Film, {
  index: () => filmsIndex(),
  mappings: FILM_MAPPINGS,
  settings: { number_of_shards: 1, number_of_replicas: 0 },
  // The page filters by year; everything else is the default document, every column exactly.
  toDocument: (film, document) => ({ ...document, releaseYear: Number(film.releasedOn.slice(0, 4)) }),
})
export class FilmRepository extends ConsistentRepository<Film> {}
