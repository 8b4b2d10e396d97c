import { mkdtemp } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { pageHeaders, statusPage } from '../../src/status/page/status.page.js';
import type { StatusView } from '../../src/status/status.view.js';
import { launchBrowser } from '../support/browser.js';
import { entityStatus, leadingBackstop, statusData, verification, viewWith } from '../support/status.view.js';

/**
 * The page alone, on figures that the stores of a test would take hours to come to: how it looks, how it behaves by keyboard and
 * what becomes of hostile names. That the figures are right is for status-page.spec.ts. Screenshots are left in a temporary folder.
 */
const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 375, height: 740 } };
const HOSTILE = '</script><img src=x onerror="document.title=1">&lt;';

const well = viewWith(statusData({ entities: entities(), backstops: [leadingBackstop(statusData().atMs)] }));
const troubled = viewWith(
  statusData({
    entities: [
      ...entities(),
      entityStatus({
        entity: 'A'.repeat(60),
        table: 'b'.repeat(64),
        index: `i${'x'.repeat(120)}`,
        parked: { ok: true, data: 3 },
      }),
      entityStatus({ entity: HOSTILE, documents: { ok: false, error: 'HTTP_404' } }),
    ],
    parked: [
      {
        id: '1',
        entity: 'Film',
        dataSource: 'default',
        reason: 'restore-refused',
        attempts: 4,
        agoMs: 7_500_000,
        key: { id: '77' },
      },
      {
        id: '2',
        entity: HOSTILE,
        dataSource: 'default',
        reason: 'document-refused',
        attempts: 1,
        agoMs: 100,
        key: { id: HOSTILE },
      },
    ],
    backstops: [leadingBackstop(statusData().atMs, { here: null, led: false, leaderlessForMs: 75_000 })],
    stores: statusData().stores.map((store) =>
      store.kind === 'mysql'
        ? store
        : { ...store, reachable: false, failingForMs: 61_000, error: 'ECONNREFUSED', latencyMs: null, health: null },
    ),
  }),
);

function entities() {
  return [
    entityStatus({ verification: verification() }),
    entityStatus({
      entity: 'Actor',
      table: 'actor',
      index: 'actors',
      verification: verification({ missing: 4, consistent: false }),
    }),
    entityStatus({
      entity: 'Rental',
      prepare: { ok: true, data: { rows: 12, more: false, overdue: 2, oldestMs: 4_200 } },
      lastSweep: { agoMs: 600, claimed: 2, settled: 2, failed: 0 },
    }),
  ];
}

describe('the status page by itself', () => {
  let browser: Browser;
  let server: Server;
  let folder: string;
  let shown: StatusView = well;
  let tell: () => void = () => {};
  const errors: string[] = [];

  beforeAll(async () => {
    browser = await launchBrowser();
    folder = await mkdtemp(join(tmpdir(), 'nest-consistent-status-page-'));
    server = createServer((request, response) => {
      if (request.url === '/page/events') {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        tell = () => response.write(`event: report\ndata: ${JSON.stringify(shown)}\n\n`);
        tell();
      } else {
        // In two parts, as networks bring it: the browser paints the first before it has the script.
        const [markup, rest] = statusPage(shown).split(/(?=<script type)/, 2) as [string, string];
        response.writeHead(200, pageHeaders()).write(markup);
        setTimeout(() => response.end(rest), 200);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
  });

  async function open(view: StatusView, size: keyof typeof SIZES, colorScheme: 'light' | 'dark'): Promise<Page> {
    shown = view;
    errors.length = 0;
    const page = await browser.newPage({ viewport: SIZES[size], colorScheme, reducedMotion: 'reduce' });
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    await page.addInitScript(`window.jumps = window.heard = 0;
      const listen = EventSource.prototype.addEventListener;
      EventSource.prototype.addEventListener = function (type, listener) {
        listen.call(this, type, (event) => { listener(event); if (type === 'report') window.heard++; });
      };
      new PerformanceObserver((list) => { for (const shift of list.getEntries()) window.jumps += shift.value; })
        .observe({ type: 'layout-shift', buffered: true });`);
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/page`);
    await page.getByText('● Live').waitFor({ timeout: 15_000 });
    return page;
  }

  for (const [name, view] of Object.entries({ well, troubled })) {
    for (const size of ['desktop', 'phone'] as const) {
      for (const scheme of ['light', 'dark'] as const) {
        it(`fits on a ${size}, ${scheme}, ${name}`, async () => {
          const page = await open(view, size, scheme);
          const measured = await page.evaluate<{ wide: number; jumps: number; small: string[]; back: string }>(`({
            wide: Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth),
            jumps: window.jumps,
            small: [...document.querySelectorAll('button, input, summary')].filter((e) => e.getBoundingClientRect().height < 16).map((e) => e.outerHTML),
            back: getComputedStyle(document.documentElement).backgroundColor })`);
          // Only now: for a whole page the browser makes its window as high as that, and everything moves.
          const path = join(folder, `${name}-${size}-${scheme}.png`);
          await page.screenshot({ path, fullPage: true });
          expect(measured).toEqual({
            wide: 0,
            jumps: expect.any(Number),
            small: [],
            back: scheme === 'light' ? 'rgb(245, 246, 248)' : 'rgb(16, 21, 28)',
          });
          // What browsers call good.
          expect(measured.jumps).toBeLessThan(0.1);
          expect(errors).toEqual([]);
          await page.close();
        });
      }
    }
  }

  it('has texts that can be read on their backgrounds, light and dark', async () => {
    for (const scheme of ['light', 'dark'] as const) {
      const page = await open(troubled, 'desktop', scheme);
      const faint = await page.evaluate(CONTRAST);
      expect(faint).toEqual([]);
      await page.close();
    }
  });

  it('shows hostile names as texts', async () => {
    const page = await open(troubled, 'desktop', 'light');
    expect(await page.title()).toBe('Consistency');
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('h3', { hasText: HOSTILE }).count()).toBe(1);
    await page.close();
  });

  it('can be walked by keyboard: every stop is seen, and the chart is read minute by minute', async () => {
    const page = await open(well, 'desktop', 'light');
    const stops: string[] = [];
    for (let stop = 0; stop < 5; stop++) {
      await page.keyboard.press('Tab');
      const [name, outline] = await page.evaluate<[string, string]>(
        `[document.activeElement.id || document.activeElement.className || document.activeElement.tagName.toLowerCase() + ':' + (document.activeElement.type || ''),
          getComputedStyle(document.activeElement).outlineStyle]`,
      );
      expect(outline).not.toBe('none');
      stops.push(name);
    }
    expect(stops).toEqual(['skip', 'pause', 'input:radio', 'chart', 'summary:']);
    const chart = page.getByRole('slider');
    await chart.focus();
    await page.keyboard.press('ArrowLeft');
    const newest = await chart.getAttribute('aria-valuetext');
    expect(newest).toMatch(/^\d\d:\d\d: \d+ changes, 100 % within 2 s/);
    await page.keyboard.press('Home');
    expect(await chart.getAttribute('aria-valuetext')).toMatch(
      /changes, 90\.0 % within 2 s \(\d+ later\), P99 2\.6 s$/,
    );
    expect(await page.locator('output').textContent()).toBe(await chart.getAttribute('aria-valuetext'));
    // Redrawn meanwhile, and still the reader's place.
    expect(await page.evaluate(`document.activeElement.className`)).toBe('chart');
    await page.close();
  });

  it('shows another bound when it is chosen', async () => {
    const page = await open(well, 'phone', 'light');
    await page.getByLabel('60 s', { exact: true }).check();
    await page.getByText(/were in the index within 60 s/).waitFor();
    expect(await page.locator('.miss').count()).toBeGreaterThan(0);
    await page.close();
  });

  it('keeps its figures still while it is paused', async () => {
    const page = await open(well, 'desktop', 'light');
    const pause = page.getByRole('button', { name: 'Pause' });
    await pause.click();
    expect(await pause.getAttribute('aria-pressed')).toBe('true');
    shown = troubled;
    tell();
    await page.waitForFunction(`window.heard > 1`);
    expect(await page.getByText('Not ready').count()).toBe(0);
    await pause.click();
    await page.getByText('Not ready').first().waitFor();
    await page.close();
  });
});

/** Every text whose contrast with what is behind it is below 4.5. */
const CONTRAST = `(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgb(element instanceof SVGElement ? style.fill : style.color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(element.className + ' ' + element.textContent.slice(0, 30) + ' ' + contrast.toFixed(2));
  }
  return faint;
})()`;
