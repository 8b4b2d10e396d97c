import { parseArgs } from 'node:util';

/** What is measured: the write path, the backstop, or verification. */
export type Topic = (typeof TOPICS)[number];
export const TOPICS = ['write-path', 'backstop', 'verify'] as const;

export interface BenchOptions {
  readonly topic: Topic;
  /** Only what the ratios need, in short windows: within three minutes. */
  readonly quick: boolean;
  /** Where the ratios go. */
  readonly json: string | undefined;
  readonly rounds: number;
  /** Only cells whose `peer operation callers` holds this text. For tuning; writes no results. */
  readonly only: string | undefined;
}

export const USAGE = `npm run bench -- [write-path|backstop|verify] [--quick] [--json FILE] [--rounds N] [--only TEXT]

  backstop     the binlog backstop beside canal and Debezium, instead of the write path
  verify       comparing a million rows with their documents (--quick: 100,000)

  --quick      what the ratios need, in short windows: within three minutes
  --json FILE  writes the ratios by name, ours over the peer
  --rounds N   measures every cell so often (default 3; 1 with --quick)
  --only TEXT  only cells whose "peer operation callers" holds TEXT, such as "update 64"`;

/** Throws a `TypeError` for what it does not know. */
export function readOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string' },
    },
  });
  const rounds = values.rounds === undefined ? (values.quick ? 1 : 3) : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError(`--rounds must be 1 or more, not ${values.rounds}`);
  const [topic = 'write-path', ...rest] = positionals;
  if (rest.length > 0 || !TOPICS.includes(topic as Topic)) {
    throw new TypeError(`one of ${TOPICS.join(', ')}, not ${positionals.join(' ')}`);
  }
  return { topic: topic as Topic, quick: values.quick, json: values.json, rounds, only: values.only };
}
