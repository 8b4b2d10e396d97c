import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectRoot } from '../bench.servers.js';
import type { Follower } from './drain.types.js';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

/** Programs of the peers that could be built, and why the others could not. */
export interface Programs {
  readonly commands: ReadonlyMap<Follower, Command>;
  readonly missing: ReadonlyMap<Follower, string>;
}

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Builds canal with Go and Debezium with Maven, outside the source tree. What cannot be built is not measured, and said. */
export function buildPrograms(): Programs {
  const folder = join(tmpdir(), 'nest-consistent-bench-peers');
  const commands = new Map<Follower, Command>([
    ['ours', { file: process.execPath, args: [script('ours.follower.js')] }],
    ['decode', { file: process.execPath, args: [script('decode.follower.js')] }],
  ]);
  const missing = new Map<Follower, string>();
  const attempt = (follower: Follower, needs: string, build: () => Command) => {
    try {
      commands.set(follower, build());
    } catch (error) {
      missing.set(follower, `not measured: it needs ${needs} (${(error as Error).message.split('\n')[0]})`);
    }
  };
  const peers = join(projectRoot(), 'bench/peers');
  attempt('canal', 'Go 1.26 or newer', () => {
    const file = join(folder, 'canal');
    execFileSync('go', ['build', '-o', file, '.'], {
      cwd: join(peers, 'canal'),
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return { file, args: [] };
  });
  attempt('debezium', 'a JDK 17 or newer and Maven', () => {
    const target = join(folder, 'debezium');
    const build = ['-B', '-q', 'package', `-Dbuild.folder=${target}`];
    execFileSync('mvn', build, { cwd: join(peers, 'debezium'), stdio: ['ignore', 'ignore', 'inherit'] });
    return { file: 'java', args: ['-Xmx512m', '-cp', `${target}/classes:${target}/lib/*`, 'Peer'] };
  });
  return { commands, missing };
}
