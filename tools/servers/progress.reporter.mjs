import { stderr } from 'node:process';

const LINE_EVERY_MS = 5_000;
const POLL_EVERY_MS = 500;

/** @param {number} bytes */
const megabytes = (bytes) => `${Math.round(bytes / 1_000_000)} MB`;

/**
 * What the tool says while it works, on stderr so that the command's own output stays clean.
 * @typedef {object} Reporter
 * @property {(message: string) => void} say one line
 * @property {<T>(what: string, sizeInBytes: () => Promise<number>, totalBytes: number | undefined, work: Promise<T>) => Promise<T>} track
 *   shows how far a download is until `work` ends
 */

/**
 * @param {{write(text: string): unknown, isTTY?: boolean}} [output] default: stderr
 * @returns {Reporter}
 */
export function createReporter(output = stderr) {
  /** @param {string} message */
  const say = (message) => void output.write(`[servers] ${message}\n`);
  return {
    say,
    async track(what, sizeInBytes, totalBytes, work) {
      const begunAt = Date.now();
      let saidAt = begunAt;
      let done = false;
      const poll = async () => {
        const size = await sizeInBytes().catch(() => 0);
        if (done) return;
        const text = `${what}: ${megabytes(size)}${totalBytes ? ` of ${megabytes(totalBytes)}` : ' so far'}`;
        // A terminal gets one line that moves; a log file gets a line now and then.
        if (output.isTTY) output.write(`\r[servers] ${text}\u001B[K`);
        else if (Date.now() - saidAt >= LINE_EVERY_MS) {
          saidAt = Date.now();
          say(text);
        }
      };
      say(`${what}${totalBytes ? ` (${megabytes(totalBytes)})` : ''}`);
      const timer = setInterval(() => void poll(), POLL_EVERY_MS);
      try {
        const result = await work;
        done = true;
        if (output.isTTY) output.write('\r\u001B[K');
        say(`${what}: done in ${((Date.now() - begunAt) / 1_000).toFixed(1)} s`);
        return result;
      } finally {
        done = true;
        clearInterval(timer);
      }
    },
  };
}

/** @type {Reporter} */
export const silentReporter = { say() {}, track: (_what, _size, _total, work) => work };
