import { Inject, Injectable } from '@nestjs/common';
import type { Client, estypes } from '@elastic/elasticsearch';
import { CONSISTENT_CLIENT } from 'nest-consistent';
import { FilmRepository } from './film.repository.js';

const PAGE_SIZE = 20;
/** Elasticsearch pages no deeper than 10,000 hits in this way. */
const MAX_PAGE = 500;
const SHOWN = [
  'title',
  'releaseYear',
  'director',
  'genre',
  'mpaaRating',
  'runningTimeMinutes',
  'imdbRating',
  'imdbVotes',
  'rottenTomatoesRating',
  'worldwideGross',
];

export interface SearchResult {
  readonly total: number;
  readonly page: number;
  readonly pages: number;
  readonly films: readonly Record<string, unknown>[];
  readonly genres: readonly { readonly name: string; readonly films: number }[];
}

/** Full-text search, straight from the index. */
@Injectable()
export class FilmsSearch {
  constructor(
    @Inject(CONSISTENT_CLIENT) private readonly client: Client,
    private readonly films: FilmRepository,
  ) {}

  /** Understands `q`, `genre` and `page` (from 1); anything else is left alone. */
  async search(query: Record<string, unknown>): Promise<SearchResult> {
    const words = textOf(query.q).trim();
    const genre = textOf(query.genre);
    const page = Math.min(Math.max(Math.trunc(Number(query.page)) || 1, 1), MAX_PAGE);
    const answer = await this.client.search<Record<string, unknown>>({
      index: this.films.index,
      size: PAGE_SIZE,
      from: (page - 1) * PAGE_SIZE,
      track_total_hits: true,
      _source: SHOWN,
      query: words ? matching(words) : { match_all: {} },
      sort: words ? ['_score', byVotes] : [byVotes],
      aggs: { genres: { terms: { field: 'genre', size: 30, order: { _key: 'asc' } } } },
      // After the aggregation, so that the list of genres does not shrink to the chosen one.
      ...(genre ? { post_filter: { term: { genre } } } : {}),
    });
    const total = (answer.hits.total as estypes.SearchTotalHits).value;
    const genres = answer.aggregations!.genres as estypes.AggregationsStringTermsAggregate;
    return {
      total,
      page,
      pages: Math.min(Math.ceil(total / PAGE_SIZE), MAX_PAGE),
      films: answer.hits.hits.map(({ _id, _source }) => ({ id: _id, ..._source })),
      genres: (genres.buckets as GenreBucket[]).map(({ key, doc_count }) => ({ name: key, films: doc_count })),
    };
  }
}

interface GenreBucket {
  readonly key: string;
  readonly doc_count: number;
}

const byVotes = { imdbVotes: { order: 'desc', missing: '_last' } } as const;

/** The last word may be half typed; small typing errors are forgiven. */
function matching(query: string): estypes.QueryDslQueryContainer {
  const fields = ['title^4', 'director^2', 'distributor'];
  return {
    bool: {
      should: [
        { multi_match: { query, fields, type: 'bool_prefix', operator: 'and', boost: 2 } },
        { multi_match: { query, fields, operator: 'and', fuzziness: 'AUTO', prefix_length: 1 } },
      ],
      minimum_should_match: 1,
    },
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 200) : '';
}
