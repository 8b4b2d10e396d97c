import { BackstopModule, type BackstopModuleOptions, BackstopService } from '../../../src/binlog/index.js';
import { productRepository } from '../../support/product.js';
import { type ProcessSettings, settingsOfParent, startProducts } from '../../support/product.process.js';

/** What the parent tells a backstop process first. */
export interface BackstopProcessSettings extends ProcessSettings {
  backstop: BackstopModuleOptions;
}

/*
 * An application with a backstop in a process of its own, so that a test can end it with SIGKILL at any moment. Tells the
 * parent every state that it enters.
 */
const settings = await settingsOfParent<BackstopProcessSettings>();
const application = await startProducts(settings, {
  repository: productRepository(settings.index),
  module: { sweeper: false, bypassGuard: 'off' },
  imports: [BackstopModule.forRoot({ ...settings.backstop, autoStart: false })],
  logger: ['error'],
});
const backstop = application.get(BackstopService);
backstop.events.on('backstopState', ({ state }) => process.send?.({ state }));
backstop.start();
