import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchServers } from './cell.types.js';
import { LatencyRecorder } from './latency.recorder.js';
import { newClient, PLAIN_INDEX } from './store.reset.js';

/**
 * Finds when a watched document is first there, by one realtime `_mget` at a time, a millisecond apart: what it says is
 * too high by at most a round trip and that millisecond.
 */
const PAUSE_MS = 1;
const MOST_IDS = 1_000;

const servers = JSON.parse(process.argv[2]!) as BenchServers;
const index = process.argv[3] ?? PLAIN_INDEX;
const client = newClient(servers);
const pending = new Map<string, number>();
const latencies = new LatencyRecorder();
let ending = false;
process.on('message', (message: { id: string; at: number } | { end: true }) => {
  if ('end' in message) ending = true;
  else pending.set(message.id, message.at);
});
process.on('disconnect', () => process.exit(1));
process.send!('ready');

while (!ending || pending.size > 0) {
  const ids = [...pending.keys()].slice(0, MOST_IDS);
  if (ids.length > 0) {
    const { docs } = await client.mget({ index, ids, _source: false });
    const now = Number(process.hrtime.bigint()) / 1e6;
    for (const found of docs) {
      if (!('found' in found) || !found.found) continue;
      latencies.add(now - pending.get(found._id)!);
      pending.delete(found._id);
    }
  }
  await sleep(PAUSE_MS);
}
await client.close();
process.send!(latencies.summary(), () => process.exit(0));
