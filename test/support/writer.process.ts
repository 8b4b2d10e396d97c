import type { ConsistentModuleOptions } from '../../src/index.js';
import { type Product, productRepository } from './product.js';
import { type ProcessSettings, settingsOfParent, startProducts } from './product.process.js';

/** What the parent tells a writer process first. */
export interface WriterSettings extends ProcessSettings {
  module: Partial<ConsistentModuleOptions>;
}

/** One write that the parent asks for. */
export interface WriterCommand {
  operation: 'insert' | 'update' | 'delete';
  entity: Partial<Product>;
}

/*
 * A whole Nest application in a process of its own, so that a test can end it with SIGKILL at any step. Says `ready`,
 * then carries out every command that it is sent, all at once, and reports each one's end.
 */
const settings = await settingsOfParent<WriterSettings>();
const repository = productRepository(settings.index);
const application = await startProducts(settings, {
  repository,
  // One request and one statement for each write: tests stop them one by one.
  module: { sweeper: false, groupCommit: false, ...settings.module },
  logger: ['error', 'warn'],
});
const products = application.get(repository);
process.on('message', ({ operation, entity }: WriterCommand) => {
  const write =
    operation === 'insert'
      ? products.insert(entity)
      : operation === 'update'
        ? products.update(entity)
        : products.remove(entity as Product);
  write.then(
    () => process.send!({ done: entity.id }),
    (error: Error & { code?: string }) => process.send!({ done: entity.id, code: error.code, message: error.message }),
  );
});
process.send!('ready');
