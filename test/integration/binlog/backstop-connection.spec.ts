import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BackstopModule, BackstopService } from '../../../src/binlog/index.js';
import { Product, productRepository } from '../../support/product.js';
import { BackstopFixture, leading, productRow } from './backstop.fixture.js';

describe('a backstop with a connection of its own', () => {
  let fixture: BackstopFixture;
  const user = `nc_few_${process.pid}`;

  beforeEach(async () => {
    fixture = await BackstopFixture.create('backstop-user');
  });
  afterEach(async () => {
    await fixture.sql(`DROP USER IF EXISTS '${user}'@'%'`);
    await fixture.close();
  });

  it("asks about the log with that, where the DataSource's user may not", async () => {
    const first = await fixture.start();
    await first.backstop.stop();
    const { connection, name } = fixture.stores.database;
    await fixture.sql(`CREATE USER '${user}'@'%' IDENTIFIED BY 'few'`);
    await fixture.sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON \`${name}\`.* TO '${user}'@'%'`);
    const { host, port, username, password } = connection;
    const application = await fixture.stores.start({
      entities: [Product],
      repositories: [productRepository(fixture.index)],
      module: { bypassGuard: 'off' },
      dataSource: { username: user, password: 'few', synchronize: false },
      imports: [BackstopModule.forRoot({ connection: { host, port, user: username, password } })],
    });
    const backstop = application.get(BackstopService);
    await leading(backstop);
    await fixture.sql(`INSERT INTO product (id, sku, title, revision) VALUES ${productRow(1, 'one')}`);
    await backstop.waitFor((await fixture.sql('SELECT @@GLOBAL.gtid_executed AS gtids'))[0]!['gtids'] as string);
    expect(await fixture.documents()).toEqual({ 1: 'one' });
    await backstop.stop();
  });
});
