import type { ObjectLiteral } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import { ShuttingDownError } from '../errors.js';
import { ChunkPipeline, checkedChunkSize } from './chunk.pipeline.js';
import { ChunkWriter } from './chunk.writer.js';
import { MAX_CHUNK_BYTES, rowSizer } from './row.size.js';
import type { WriteKind, WriteOutcome, Writer } from './writer.js';

export interface BatchOptions {
  /** Rows prepared in one MySQL transaction and sent in one bulk; fewer where they are large. 1 … 1,000, default 500. */
  readonly chunkSize?: number;
  /** Told after every chunk. */
  readonly onProgress?: (progress: { done: number; total: number }) => void;
}

/** `saveMany` and `removeMany`: the caller's rows in chunks, and an outcome for each of them. */
export class BatchWriter {
  constructor(private readonly writer: Writer) {}

  async write<Entity extends ObjectLiteral>(
    context: EntityContext,
    kind: WriteKind,
    entities: readonly Entity[],
    options: BatchOptions = {},
  ): Promise<WriteOutcome<Entity>[]> {
    const chunkSize = checkedChunkSize(options.chunkSize);
    const outcomes: WriteOutcome<Entity>[] = [];
    const sizeOf = rowSizer(context.binding);
    const chunks = new ChunkWriter(this.writer, context, kind, { completesGiven: true });
    let broken: Error | undefined;
    const pipeline = new ChunkPipeline<Entity>(chunks, (chunk, written) => {
      const alike = written instanceof Error ? failedAlike(chunk, written) : written;
      // Shutdown may begin between two chunks: then what is already written must still be told.
      const told = !(written instanceof Error) || (outcomes.length > 0 && written instanceof ShuttingDownError);
      if (!told) broken ??= written;
      for (const outcome of alike) outcomes.push(outcome);
      if (!broken) options.onProgress?.({ done: outcomes.length, total: entities.length });
    });
    // The same object twice: the second needs the key that the first brings.
    const alone = new Set(entities).size < entities.length;
    for (let from = 0; from < entities.length && !broken;) {
      const chunk = nextChunk(entities, from, chunkSize, sizeOf);
      from += chunk.length;
      await pipeline.push(chunk, alone);
    }
    await pipeline.drain();
    if (broken) throw broken;
    return outcomes;
  }
}

function nextChunk<Entity>(
  entities: readonly Entity[],
  from: number,
  chunkSize: number,
  sizeOf: (entity: Entity) => number,
): Entity[] {
  let bytes = 0;
  let to = from;
  while (to < entities.length && to - from < chunkSize) {
    bytes += sizeOf(entities[to]!);
    if (bytes > MAX_CHUNK_BYTES && to > from) break;
    to++;
  }
  return entities.slice(from, to);
}

function failedAlike<Entity extends ObjectLiteral>(chunk: readonly Entity[], error: Error): WriteOutcome<Entity>[] {
  return chunk.map((entity) => ({ status: 'failed', entity, error }));
}
