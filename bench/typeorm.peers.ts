import { DataSource, type EntityManager } from 'typeorm';
import type { CellResult, CellSpec } from './cell.types.js';
import { closedLoop } from './closed.loop.js';
import { changedProduct, documentOf, productValues, SEEDED_ROWS } from './product.data.js';
import { PlainProduct } from './product.entity.js';
import { dataSourceOptions, newClient, PLAIN_INDEX } from './store.reset.js';

/** The dual write (`repo.save`, then `es.index`), or the same inside a transaction that is held open around the index call. */
export async function measureTypeormPeer(spec: CellSpec): Promise<CellResult> {
  const { peer, operation, concurrency } = spec;
  const dataSource = await new DataSource(dataSourceOptions(spec.servers)).initialize();
  const client = newClient(spec.servers);
  const saveBoth = async (manager: EntityManager, product: PlainProduct) => {
    const saved = await manager.getRepository(PlainProduct).save(product);
    await client.index({ index: PLAIN_INDEX, id: saved.id, document: documentOf(saved.id, saved) });
  };
  const next = plainProducts(operation === 'update');
  const step =
    peer === 'dual-write'
      ? () => saveBoth(dataSource.manager, next())
      : () => dataSource.transaction((manager) => saveBoth(manager, next()));
  const { opsPerSecond, latency, cpu, failed } = await closedLoop(step, spec);
  await dataSource.destroy();
  await client.close();
  return { peer, operation, concurrency, opsPerSecond, latency, cpu, failed };
}

/** New products, or loaded and changed ones. */
export function plainProducts(update: boolean): () => PlainProduct {
  let number = SEEDED_ROWS;
  return () => {
    number++;
    return Object.assign(new PlainProduct(), update ? changedProduct(number) : productValues(number));
  };
}
