import { randomUUID } from 'node:crypto';
import { UnsupportedOperationError } from '../errors.js';
import type { BinlogEvent, BinlogSource, BinlogStart } from './binlog.types.js';
import type { SourceStatistics, TableFilter, ZongjiSourceOptions } from './zongji.options.js';
import { DEFAULT_QUEUED_BYTES, FINISHED, ZongjiReading } from './zongji.reading.js';

export type { SourceStatistics, TableFilter, ZongjiSourceOptions };

const NOTHING = { queuedBytes: 0, queuedEvents: 0, highWaterBytes: 0 };

export interface ZongjiEvents extends AsyncIterable<BinlogEvent>, AsyncIterator<BinlogEvent> {
  /** The next event if it is here already: to be asked before `next`, which is dearer. */
  taken(): BinlogEvent | null;
}

/**
 * MySQL's binary log through `@vlasky/zongji`. One reader at a time: `read` throws `UnsupportedOperationError` while
 * another one is being read. What `read` throws else: `BinlogConnectionError` (retryable), `BinlogPositionLostError`,
 * `BinlogAccessError`, `DuplicateServerIdError`, `InvalidOptionsError`.
 */
export class ZongjiSource implements BinlogSource {
  include: TableFilter;
  private readonly replicaUuid = randomUUID();
  private reading: ZongjiReading | null = null;

  constructor(private readonly options: ZongjiSourceOptions) {
    this.include = options.include ?? (() => true);
  }

  get statistics(): SourceStatistics {
    const { maxQueuedBytes = DEFAULT_QUEUED_BYTES } = this.options;
    return { ...(this.reading?.statistics ?? { ...NOTHING, reconnects: 0 }), maxQueuedBytes };
  }

  read(start: BinlogStart): ZongjiEvents {
    const make = (): ZongjiReading => {
      if (this.reading && !this.reading.done) {
        throw new UnsupportedOperationError('This source is being read already: stop it first, or make another one.');
      }
      return (this.reading = new ZongjiReading(this.options, this.replicaUuid, start, (...table) =>
        this.include(...table),
      ));
    };
    let reading: ZongjiReading | null = null;
    // Not an async generator: that would cost more for each event than to decode it.
    const iterator = {
      next: async () => (reading ??= make()).next(),
      taken: () => reading?.taken() ?? null,
      return: async () => {
        await reading?.stop();
        return FINISHED;
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  async stop(): Promise<void> {
    await this.reading?.stop();
  }
}
