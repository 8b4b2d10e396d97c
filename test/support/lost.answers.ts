import { expect } from '@jest/globals';
import { OutcomeUnknownError } from '../../src/index.js';
import { FaultProxy } from '../../src/testing/index.js';
import { elasticsearchUrl } from './servers.js';
import type { Stores } from './application.js';

/** Leaves rows in `prepare`: a proxy in front of Elasticsearch that loses one write's request, or its answer. */
export class LostAnswers {
  private readonly proxy = new FaultProxy(elasticsearchUrl());

  static async start(): Promise<LostAnswers> {
    const answers = new LostAnswers();
    await answers.proxy.start();
    return answers;
  }

  get url(): string {
    return this.proxy.url;
  }

  /** The document was written and nobody was told. */
  async landed(write: () => Promise<unknown>): Promise<void> {
    await this.lose('cut-after', write);
  }

  /** The request never arrived, and the writer cannot know. */
  async vanished(write: () => Promise<unknown>): Promise<void> {
    await this.lose('cut-before', write);
  }

  stop(): Promise<void> {
    return this.proxy.stop();
  }

  private async lose(kind: 'cut-after' | 'cut-before', write: () => Promise<unknown>): Promise<void> {
    const fault = this.proxy.inject({ kind }, { path: '/_bulk', times: 1 });
    await expect(write()).rejects.toThrow(OutcomeUnknownError);
    expect(fault.hits).toBe(1);
  }
}

/** Moves the deadlines of a table's undecided rows into the past, so that anybody may settle them. */
export async function expireDeadlines(stores: Stores, table: string): Promise<void> {
  const dates = await stores.database.query<{ name: string }>(
    `SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND EXTRA LIKE '%on update%'`,
    [table],
  );
  // This statement must not touch them either.
  const kept = dates.map(({ name }) => `, \`${name}\` = \`${name}\``).join('');
  await stores.database.query(
    `UPDATE \`${table}\` SET consistency_deadline = '2000-01-01'${kept} WHERE consistency_deadline IS NOT NULL`,
  );
}
