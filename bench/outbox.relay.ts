import type { RowDataPacket } from 'mysql2';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchServers } from './cell.types.js';
import { newClient, newConnection, PLAIN_INDEX } from './store.reset.js';

/** The outbox's relay, a process: the oldest rows, one bulk, and away with them. */
const BATCH_ROWS = 500;
const POLL_MS = 10;

const servers = JSON.parse(process.argv[2]!) as BenchServers;
const client = newClient(servers);
const connection = await newConnection(servers);
let ending = false;
process.on('message', () => {
  ending = true;
});
process.on('disconnect', () => process.exit(1));
process.send!('ready');

for (;;) {
  const [rows] = await connection.query<RowDataPacket[]>(
    `SELECT id, productId, payload FROM outbox ORDER BY id LIMIT ${BATCH_ROWS}`,
  );
  if (rows.length === 0) {
    if (ending) break;
    await sleep(POLL_MS);
    continue;
  }
  const operations = rows.flatMap(({ productId, payload }) => [
    { index: { _id: String(productId) } },
    payload as string,
  ]);
  const { errors } = await client.bulk({ index: PLAIN_INDEX, operations: operations as never });
  if (errors) throw new Error('the relay had documents refused');
  await connection.query('DELETE FROM outbox WHERE id IN (?)', [rows.map(({ id }) => id as number)]);
}
await connection.end();
await client.close();
process.send!('done', () => process.exit(0));
