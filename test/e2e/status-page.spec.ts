import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CanActivate, type ExecutionContext, type INestApplication, Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { Browser, BrowserContext } from 'playwright-core';
import { BackstopModule, BackstopService } from '../../src/binlog/index.js';
import { ConsistentService } from '../../src/index.js';
import { ConsistentStatusModule, type StatusData, type Verdict } from '../../src/status/index.js';
import { Stores } from '../support/application.js';
import { launchBrowser } from '../support/browser.js';
import { until } from '../support/faulty.js';
import { Product, product, type ProductRepository, productRepository } from '../support/product.js';

const COOKIE = 'session=let-me-in';

@Injectable()
class SessionGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToHttp().getRequest<{ headers: { cookie?: string } }>().headers.cookie === COOKIE;
  }
}

describe('the status page of a running application', () => {
  let stores: Stores;
  let application: INestApplication;
  let products: ProductRepository;
  let browser: Browser;
  let context: BrowserContext;
  let url: string;

  beforeAll(async () => {
    browser = await launchBrowser();
    stores = await Stores.create('l-status-page');
    const repository = productRepository(stores.index('products'));
    const module = await Test.createTestingModule({
      imports: [
        ...stores.modules({ entities: [Product], repositories: [repository], module: { bypassGuard: 'off' } }),
        BackstopModule.forRoot({ checkpointIntervalMs: 50 }),
        ConsistentStatusModule.forRoot({
          guard: SessionGuard,
          path: '/ops/consistent',
          maxClients: 3,
          intervalMs: 250,
        }),
      ],
    }).compile();
    application = module.createNestApplication({ logger: false });
    application.setGlobalPrefix('api');
    await application.listen(0, '127.0.0.1');
    const { port } = application.getHttpServer().address() as AddressInfo;
    url = `http://127.0.0.1:${port}/api/ops/consistent`;
    products = application.get(repository);
    context = await browser.newContext();
    await context.addCookies([{ name: 'session', value: 'let-me-in', url }]);
  });

  afterAll(async () => {
    await browser?.close();
    await application?.close();
    await stores?.close();
  });

  const get = (path: string, cookie = COOKIE) => fetch(`${url}${path}`, { headers: { cookie } });
  const report = async () => (await (await get('/report')).json()) as { report: StatusData; verdict: Verdict };

  /** A watcher that stays; resolves with the answer's status. */
  function watch(): Promise<{ status: number; ended: Promise<string>; leave: () => void }> {
    return new Promise((resolve, reject) => {
      const sent = httpRequest(`${url}/events`, { headers: { cookie: COOKIE } }, (answer) => {
        let body = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        const ended = new Promise<string>((done) => answer.on('close', () => done(body)));
        resolve({ status: answer.statusCode!, ended, leave: () => sent.destroy() });
      });
      sent.on('error', reject).end();
    });
  }

  it('answers nobody whom the guard does not let in, on every address', async () => {
    for (const path of ['', '/report', '/events']) {
      expect((await get(path, 'session=guessed')).status).toBe(403);
    }
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect((await fetch(url, { method, headers: { cookie: COOKIE } })).status).toBe(404);
    }
  });

  it('forbids everything but its own script and style', async () => {
    const page = await get('');
    const policy = page.headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(await page.text()).not.toMatch(/(src|href)="(https?:)?\/\//);
  });

  it('shows what happens while it happens: changes by SQL on the chart, a parked row without its key', async () => {
    const page = await context.newPage();
    const problems: string[] = [];
    const asked: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    const backstop = application.get(BackstopService);
    await until('the backstop leads', () => backstop.status().state === 'leading');
    await page.goto(url);
    await page.getByText('● Live').waitFor();
    await page.getByText('✓ leads').waitFor();
    await page.getByText('No row was changed in the last two hours.').waitFor();
    expect(await page.locator('.period').count()).toBe(0);

    await products.save(product({ title: 'through the library' }));
    await stores.database.query(
      `INSERT INTO product (id, sku, title, revision) VALUES (900, 'secret-sku', 'by SQL', 1), (901, 'other-sku', 'by SQL', 1)`,
    );
    await backstop.drained();
    await page.locator('.period').first().waitFor();
    await page.getByRole('slider').focus();
    await page.keyboard.press('End');
    await page
      .getByText(/\d\d:\d\d: \d changes?, .* within 2 s/)
      .first()
      .waitFor();

    await stores.database.query(
      `INSERT INTO consistent_parked (entity, table_name, row_key, key_hash, document_id, version, reason, attempts, last_error, parked_at, updated_at)
       VALUES ('Product', 'product', '{"id": "900"}', SHA2('x', 256), '900', 1, 'restore-refused', 1, 'Duplicate entry secret-sku', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))`,
    );
    await page.getByText('restore-refused').waitFor();
    await page.getByText('1 row is parked: a person must decide.').waitFor();
    const folder = await mkdtemp(join(tmpdir(), 'nest-consistent-status-page-'));
    await page.screenshot({ path: join(folder, 'live.png'), fullPage: true });
    const { hostname, port, username } = new URL(stores.database.url);
    for (const secret of ['secret-sku', `${hostname}:${port}`, `${username}@`, '"900"', 'id = 900']) {
      expect(await page.content()).not.toContain(secret);
      expect(await (await get('/report')).text()).not.toContain(secret);
    }
    expect(problems).toEqual([]);
    expect(new Set(asked)).toEqual(new Set([new URL(url).pathname, `${new URL(url).pathname}/events`]));
    await page.close();
    await stores.database.query('DELETE FROM consistent_parked');
  });

  it('counts what the stores hold', async () => {
    await stores.client.indices.refresh({ index: stores.index('products') });
    await until('the documents are counted', async () => {
      const { documents } = (await report()).report.entities[0]!;
      return documents.ok && documents.data === 3;
    });
    await application.get(ConsistentService).verify(Product);
    await until('the verification is seen', async () => {
      const { verification } = (await report()).report.entities[0]!;
      return verification.ok && verification.data?.rows === 3 && verification.data.consistent;
    });
    // Prepared half an hour ago, as its version says, however late its deadline is.
    await stores.database.query(
      `UPDATE product SET consistency_state = 'prepare', consistency_deadline = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR,
         consistency_version = CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED) - 1800000000 WHERE id = 901`,
    );
    await until('the old row is seen', async () =>
      (await report()).verdict.findings.some(({ code, text }) => code === 'old-prepare' && text.includes('30 minutes')),
    );
    await stores.database.query('DELETE FROM product WHERE id = 901');
  });

  it('takes so many watchers and no more, and ends them with the application', async () => {
    const watchers = await Promise.all([watch(), watch(), watch()]);
    expect(watchers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await watch()).status).toBe(503);
    watchers[0]!.leave();
    await until('its place is free', async () => {
      const another = await watch();
      another.leave();
      return another.status === 200;
    });
    // Waits for its connections: were they kept, this would never resolve.
    await application.close();
    expect(await watchers[1]!.ended).toMatch(/^retry: 3000\n[^]*event: report\ndata: \{[^]*event: bye\n/);
  });
});
