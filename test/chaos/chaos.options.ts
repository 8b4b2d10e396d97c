import { parseArgs } from 'node:util';
import { type Profile, PROFILES } from './item.entity.js';

export interface ChaosOptions {
  readonly writes: number;
  readonly seed: number;
  readonly json?: string;
  readonly writers: number;
  readonly readers: number;
  readonly lanes: number;
  readonly profile: Profile;
  /** A MySQL replica, late and standing still at times, that some reads come from. */
  readonly replica: boolean;
  readonly kills: boolean;
  readonly faults: boolean;
  /** Keep the histories of a good run too. */
  readonly keep: boolean;
}

export const USAGE = `npm run chaos -- [options]

  --writes N     writes to begin, default 20000
  --seed N       schedule of faults and operations, default 1
  --json FILE    writes the result there
  --writers N    writer processes, default 3
  --readers N    reader processes, default 2
  --lanes N      operations under way in each writer, default 16
  --profile P    when (default): rows switched in and out of the index, prepared by TypeORM;
                 plain: prepared by the library's own statements; mysql: decider 'mysql'
  --replica      a MySQL replica as well; some reads come from it, with their wait for its GTIDs
  --no-kills     nothing is killed
  --no-faults    the network is well
  --keep         keeps histories and logs of a good run too`;

export class UsageError extends Error {}

/** @throws UsageError */
export function parseChaosOptions(args: readonly string[]): ChaosOptions {
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        writes: { type: 'string', default: '20000' },
        seed: { type: 'string', default: '1' },
        json: { type: 'string' },
        writers: { type: 'string', default: '3' },
        readers: { type: 'string', default: '2' },
        lanes: { type: 'string', default: '16' },
        profile: { type: 'string', default: 'when' },
        replica: { type: 'boolean', default: false },
        'no-kills': { type: 'boolean', default: false },
        'no-faults': { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
  const number = (name: string, least: number, most: number): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new UsageError(`--${name} must be a whole number, ${least} … ${most}, not ${String(values[name])}`);
  };
  const profile = PROFILES.find((name) => name === values.profile);
  if (!profile) throw new UsageError(`--profile must be one of ${PROFILES.join(', ')}`);
  return {
    writes: number('writes', 1, 1e9),
    seed: number('seed', 0, 2 ** 31),
    ...(values.json === undefined ? {} : { json: String(values.json) }),
    writers: number('writers', 1, 64),
    readers: number('readers', 0, 64),
    lanes: number('lanes', 1, 256),
    profile,
    replica: values.replica === true,
    kills: values['no-kills'] !== true,
    faults: values['no-faults'] !== true,
    keep: values.keep === true,
  };
}
