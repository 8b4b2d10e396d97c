import { existsSync } from 'node:fs';
import { chmod, copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { which } from '../../tools/servers/child.process.mjs';
import { loaderPaths, unpackPackages } from '../../tools/servers/debian.packages.mjs';
import { createReporter } from '../../tools/servers/progress.reporter.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
/** No sandbox: containers seldom allow one, and only pages of our own are opened. No GPU and no shared memory either. */
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars'];

interface Program {
  readonly executablePath: string;
  readonly args: readonly string[];
}

/**
 * A real Chromium: `CHROMIUM_PATH`, or the machine's own, or Debian's, unpacked into the cache folder of the native servers.
 * Throws and says what to do where none is to be had; no test is skipped for want of one.
 */
export async function launchBrowser(): Promise<Browser> {
  const { executablePath, args } = await findProgram();
  return chromium.launch({ executablePath, args: [...ARGS, ...args] });
}

async function findProgram(): Promise<Program> {
  const given = process.env['CHROMIUM_PATH'];
  if (given !== undefined) {
    if (!existsSync(given)) throw new Error(`CHROMIUM_PATH is ${given}, and there is nothing.`);
    return { executablePath: given, args: [] };
  }
  for (const name of NAMES) {
    const found = which(name);
    if (found) return { executablePath: found, args: [] };
  }
  try {
    return await unpacked();
  } catch (error) {
    throw new Error(
      'This test needs a real Chromium. Install one (Debian: apt-get install chromium), or set CHROMIUM_PATH to its program. ' +
        `It could not be unpacked either: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** Chromium starts itself anew for each page: those must come through the unpacked libc's loader too. */
async function unpacked(): Promise<Program> {
  const home = await unpackPackages({
    name: 'chromium',
    packages: ['chromium', 'fonts-dejavu-core'],
    reporter: createReporter(),
    finish: async (folder: string) => {
      const { libraries, loader } = loaderPaths();
      // Chromium looks for its data beside the running program, and that is the loader.
      await copyFile(join(folder, loader), join(folder, 'usr/lib/chromium/loader.so'));
      await chmod(join(folder, 'usr/lib/chromium/loader.so'), 0o755);
      const paths = [libraries, 'usr/lib/chromium', `${libraries}/pulseaudio`].map((path) => `$home/${path}`).join(':');
      const starter = join(folder, 'start.sh');
      const script = [
        '#!/bin/sh',
        'home=$(dirname "$(readlink -f "$0")")',
        // Fonts come from the unpacked packages as well.
        'export FONTCONFIG_PATH="$home/etc/fonts" XDG_DATA_HOME="$home/usr/share"',
        `exec "$home/usr/lib/chromium/loader.so" --library-path "${paths}" "$home/usr/lib/chromium/chromium" "$@"`,
      ];
      await writeFile(starter, `${script.join('\n')}\n`);
      await chmod(starter, 0o755);
    },
  });
  const executablePath = join(home, 'start.sh');
  return { executablePath, args: ['--no-zygote', `--browser-subprocess-path=${executablePath}`] };
}
