import { randomBytes } from 'node:crypto';
import { Client } from '@elastic/elasticsearch';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';

/** The row as MySQL holds it. */
export interface RowView {
  readonly title: string;
  readonly runningTimeMinutes: number | null;
  readonly state: string;
  readonly version: string;
  /** What is pending, and how long until anybody may settle it; null in `commit`. */
  readonly operation: string | null;
  readonly secondsLeft: string | null;
}

/** The document as Elasticsearch holds it, in real time. */
export interface DocumentView {
  readonly title: string;
  readonly version: number;
  /** `consistency_restored` */
  readonly marker: number | null;
}

export interface PickedFilm {
  readonly id: string;
  readonly title: string;
  readonly director: string;
}

const CONNECT = { dateStrings: true, supportBigNumbers: true, bigNumberStrings: true };

/** A database and an index of the demo's own, looked at past the library. */
export class StoreView {
  private constructor(
    private readonly connection: Connection,
    private readonly client: Client,
    readonly mysqlUrl: string,
    private readonly elasticsearchUrl: string,
    readonly index: string,
    private readonly database: string,
  ) {}

  static async create(mysqlUrl: string, elasticsearchUrl: string): Promise<StoreView> {
    const name = `film_catalogue_${process.pid}_${randomBytes(3).toString('hex')}`;
    const connection = await createConnection({ uri: mysqlUrl, ...CONNECT });
    await connection.query(`CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4`);
    await connection.changeUser({ database: name });
    const url = new URL(mysqlUrl);
    url.pathname = `/${name}`;
    const client = new Client({ node: elasticsearchUrl, requestTimeout: 30_000 });
    return new StoreView(connection, client, url.href, elasticsearchUrl, name.replaceAll('_', '-'), name);
  }

  /** The films with the most votes whose director is known. */
  async bestKnown(films: number): Promise<PickedFilm[]> {
    const sql = 'SELECT id, title, director FROM film WHERE director IS NOT NULL ORDER BY imdbVotes DESC, id LIMIT ?';
    const [rows] = await this.connection.query<RowDataPacket[]>(sql, [films]);
    return rows as unknown as PickedFilm[];
  }

  async row(id: string): Promise<RowView> {
    const [rows] = await this.connection.query<RowDataPacket[]>(
      `SELECT title, runningTimeMinutes, consistency_state AS state, consistency_version AS version,
        consistency_pending ->> '$.operation' AS operation,
        CAST(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), consistency_deadline) / 1e6 AS DECIMAL(9,1)) AS secondsLeft
        FROM film WHERE id = ?`,
      [id],
    );
    return rows[0] as unknown as RowView;
  }

  async document(id: string): Promise<DocumentView> {
    const { _version, _source } = await this.client.get<Record<string, unknown>>({ index: this.index, id });
    const marker = _source!.consistency_restored as number | undefined;
    return { title: String(_source!.title), version: _version!, marker: marker ?? null };
  }

  /** Changes a document without the library and without a new version: what the comparison is there to find. */
  async falsify(id: string): Promise<void> {
    const { _version, _source } = await this.client.get<Record<string, unknown>>({ index: this.index, id });
    await this.client.index({
      index: this.index,
      id,
      version: _version!,
      version_type: 'external_gte',
      document: { ..._source, title: 'Somebody was here' },
    });
  }

  async drop(): Promise<void> {
    await this.connection.query(`DROP DATABASE \`${this.database}\``);
    this.connection.destroy();
    const listed = await fetch(`${this.elasticsearchUrl}/_cat/indices/${this.index}*?format=json&h=index`);
    for (const { index } of (await listed.json()) as { index: string }[]) await this.client.indices.delete({ index });
    await this.client.close();
  }
}
