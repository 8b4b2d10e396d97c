import { createConnection, type RowDataPacket } from 'mysql2/promise';

/** A row, and the document that it should have. */
export interface ExpectedFilm {
  readonly key: number;
  readonly state: string;
  readonly version: number;
  readonly document: Readonly<Record<string, unknown>>;
}

type Row = Readonly<Record<string, unknown>>;

/** Every row, from one snapshot, `chunkSize` at a time. */
export async function* filmsInKeyOrder(mysqlUrl: string, chunkSize: number): AsyncGenerator<ExpectedFilm, void> {
  // Exact texts: a JavaScript Date has no microseconds, a number not every BIGINT.
  const exact = { dateStrings: true, supportBigNumbers: true, bigNumberStrings: true, timezone: 'Z' };
  const connection = await createConnection({ uri: mysqlUrl, ...exact });
  try {
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
    let last = '-9223372036854775808';
    for (;;) {
      const sql = 'SELECT * FROM film WHERE id > ? ORDER BY id LIMIT ?';
      const [rows] = await connection.query<RowDataPacket[]>(sql, [last, chunkSize]);
      for (const row of rows) yield expected(row);
      if (rows.length < chunkSize) return;
      last = String(rows.at(-1)!.id);
    }
  } finally {
    await connection.end();
  }
}

function expected(row: Row): ExpectedFilm {
  return {
    key: Number(row.id),
    state: String(row.consistency_state),
    version: Number(row.consistency_version),
    document: {
      id: row.id,
      title: row.title,
      releasedOn: row.releasedOn,
      releaseYear: Number(String(row.releasedOn).slice(0, 4)),
      director: row.director,
      distributor: row.distributor,
      genre: row.genre,
      creativeType: row.creativeType,
      source: row.source,
      mpaaRating: row.mpaaRating,
      runningTimeMinutes: row.runningTimeMinutes,
      rottenTomatoesRating: row.rottenTomatoesRating,
      imdbRating: row.imdbRating,
      imdbVotes: row.imdbVotes,
      productionBudget: row.productionBudget,
      usGross: row.usGross,
      worldwideGross: row.worldwideGross,
      usDvdSales: row.usDvdSales,
      importNotes: row.importNotes,
      createdAt: instant(row.createdAt),
      updatedAt: instant(row.updatedAt),
    },
  };
}

/** `2024-02-29 12:34:56.789000`, which is UTC, as ISO 8601. */
function instant(printed: unknown): string {
  return `${String(printed).replace(' ', 'T')}Z`;
}
