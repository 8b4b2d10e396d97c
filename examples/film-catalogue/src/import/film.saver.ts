import { ConsistentError } from 'nest-consistent';
import { In } from 'typeorm';
import type { Film } from '../films/film.entity.js';
import type { FilmRepository } from '../films/film.repository.js';

const CHUNK_SIZE = 200;
const TRIES = 3;

export interface FailedFilm {
  readonly film: Partial<Film>;
  readonly error: Error;
}

export interface SaveResult {
  readonly failed: readonly FailedFilm[];
  /** Films that needed another try. */
  readonly repeated: number;
}

/**
 * Saves new films, each exactly once. A busy cluster may leave a chunk undecided; such films are never saved again before
 * it is certain that they were not saved the first time.
 */
export async function saveAll(
  repository: FilmRepository,
  films: readonly Partial<Film>[],
  onProgress: (done: number) => void,
): Promise<SaveResult> {
  let open = films;
  const failed: FailedFilm[] = [];
  let repeated = 0;
  for (let attempt = 1; attempt <= TRIES && open.length > 0; attempt += 1) {
    const before = films.length - open.length;
    const outcomes = await repository.saveMany(open, {
      chunkSize: CHUNK_SIZE,
      onProgress: ({ done }) => onProgress(before + done),
    });
    const missed = outcomes.flatMap(({ status, ...rest }, at) =>
      status === 'failed' ? [{ film: open[at]!, error: (rest as { error: Error }).error }] : [],
    );
    const lost = await withoutLanded(repository, missed);
    const again = attempt < TRIES ? lost.filter(({ error }) => mayRepeat(error)) : [];
    failed.push(...lost.filter((one) => !again.includes(one)));
    open = again.map(({ film }) => film);
    repeated += again.length;
  }
  return { failed, repeated };
}

/** Leaves out those that were saved after all. */
async function withoutLanded(repository: FilmRepository, missed: readonly FailedFilm[]): Promise<FailedFilm[]> {
  const keys = missed.filter(({ error }) => isUnknown(error)).map(({ error }) => keyOf(error));
  if (keys.length === 0) return [...missed];
  const found = await readDecided(repository, keys);
  const landed = new Set(found.map(({ id }) => id));
  return missed.filter(({ error }) => !isUnknown(error) || !landed.has(keyOf(error)));
}

/** With the barrier the read waits until each row is decided: absent then means that the write never happened. */
async function readDecided(repository: FilmRepository, keys: readonly string[]): Promise<Film[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await repository.find({ where: { id: In(keys) }, select: { id: true }, barrier: true });
    } catch (error) {
      if (attempt === TRIES || !(error instanceof ConsistentError && error.retryable)) throw error;
    }
  }
}

function mayRepeat(error: Error): boolean {
  return isUnknown(error) || (error instanceof ConsistentError && error.retryable);
}

function isUnknown(error: Error): error is ConsistentError {
  return error instanceof ConsistentError && error.code === 'OUTCOME_UNKNOWN';
}

function keyOf(error: Error): string {
  return String((error as ConsistentError).data.key);
}
