import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Stores } from '../../support/application.js';
import { runCli } from '../../support/cli.run.js';
import { runInTerminal } from '../../support/cli.terminal.js';
import { Product, product, productRepository } from '../../support/product.js';
import { elasticsearchUrl } from '../../support/servers.js';

const APP = fileURLToPath(new URL('./fixture/app.mjs', import.meta.url));
const LONG_MS = 180_000;
// oxlint-disable-next-line no-control-regex
const COLOUR = /\u001b\[[0-9;]*m/;
const [HIDE_CURSOR, SHOW_CURSOR] = ['\u001b[?25l', '\u001b[?25h'];
const EVIL = '\u001b[31mevil\u0007\u009b2J';

describe('the command line on a terminal', () => {
  let stores: Stores;

  beforeAll(async () => {
    stores = await Stores.create('cli-terminal');
    const repository = productRepository(stores.index('products'));
    const owner = await stores.start({ entities: [Product], repositories: [repository] });
    await owner.get(repository).saveMany(Array.from({ length: 600 }, () => product()));
  });
  afterAll(() => stores.close());

  const env = (more: Record<string, string> = {}) => ({
    APP_MYSQL_URL: stores.database.url,
    APP_ELASTICSEARCH_URL: elasticsearchUrl(),
    APP_INDEX: stores.index('products'),
    ...more,
  });
  const inTerminal = (args: readonly string[], more: Record<string, string> = {}, columns = 80) =>
    runInTerminal([...args, '--app', APP], { env: env(more), columns });
  const widest = (lines: readonly string[]): number => Math.max(...lines.map((line) => line.length));

  it(
    'a table fits into 80 columns, in colour, and nothing of it is left out',
    async () => {
      const { screen, lines } = await inTerminal(['status']);
      expect(screen).toMatch(COLOUR);
      expect(widest(lines)).toBeLessThanOrEqual(80);
      const box = lines.filter((line) => line.startsWith('│'));
      expect(box.length).toBeGreaterThan(1);
      // The index's name is longer than its column: it goes on in the next line.
      const columns = box.map((line) => line.split('│').map((cell) => cell.trim()));
      const at = columns[0]!.indexOf('index');
      expect(at).toBeGreaterThan(0);
      expect(columns.map((cells) => cells[at]).join('')).toContain(`${stores.index('products')}-000001`);
    },
    LONG_MS,
  );

  it.each([
    ['NO_COLOR', ['status'], { NO_COLOR: '1' }],
    ['--no-color', ['status', '--no-color'], {}],
  ])(
    '%s: no colour, borders included',
    async (_name, args, more) => {
      const { screen, lines } = await inTerminal(args, more as Record<string, string>);
      expect(screen).not.toMatch(COLOUR);
      expect(lines.some((line) => line.startsWith('│'))).toBe(true);
    },
    LONG_MS,
  );

  it(
    'where a table cannot fit, each row is a list',
    async () => {
      const { lines } = await inTerminal(['status'], {}, 40);
      expect(lines.some((line) => line.startsWith('│'))).toBe(false);
      expect(lines).toContain('table: product');
      expect(lines).toContain(`index: ${stores.index('products')}-000001`);
    },
    LONG_MS,
  );

  it(
    'verify shows how far it is on one line, takes that away, and gives the cursor back',
    async () => {
      const { code, screen, lines } = await inTerminal(['verify', '--max-rows-per-second', '400']);
      expect(code).toBe(0);
      const bars = lines.filter((line) => /^Product (?:rows|documents) \[/.test(line));
      expect(bars.some((line) => /^Product rows \[.+\] \d+\/\d+ \d+\/s, 0 different/.test(line))).toBe(true);
      expect(widest(lines)).toBeLessThanOrEqual(80);
      expect(screen.lastIndexOf(SHOW_CURSOR)).toBeGreaterThan(screen.lastIndexOf(HIDE_CURSOR));
      expect(lines).toContain('Both stores agree.');
      expect(screen).toContain('600');
    },
    LONG_MS,
  );

  it(
    'what keys and messages hold cannot command the terminal',
    async () => {
      const index = stores.index('products');
      await stores.client.index({ index, id: EVIL, version: 5, version_type: 'external', document: { sku: 'x' } });
      try {
        const { code, screen } = await inTerminal(['verify', '--no-color']);
        expect(code).toBe(1);
        expect(screen).toContain('evil');
        expect(screen).toContain('orphaned');
        for (const command of ['\u001b[31m', '\u0007', '\u009b']) expect(screen).not.toContain(command);
      } finally {
        await stores.client.delete({ index, id: EVIL });
      }
    },
    LONG_MS,
  );

  it(
    'elsewhere there are no colours, boxes and bars',
    async () => {
      const { stdout, stderr } = await runCli(['verify', '--app', APP], { env: env() });
      expect(stdout.split('\n')[0]).toBe(
        'entity\trows\tdocuments\tmissing\tstale\tforeign\torphaned\tunchecked\tseconds',
      );
      // oxlint-disable-next-line no-control-regex
      expect(stdout + stderr).not.toMatch(/\u001b|│|\[=/);
    },
    LONG_MS,
  );
});
