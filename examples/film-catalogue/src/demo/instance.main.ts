import 'reflect-metadata';
import { ConsistentService } from 'nest-consistent';
import { startCatalogue } from '../catalogue.application.js';
import { readConfig } from '../catalogue.config.js';
import type { InstanceMessage } from './catalogue.process.js';

/** The application in a process of its own, which tells its parent what the library settles. */
const tell = (message: InstanceMessage): void => void process.send?.(message);
const { application, url } = await startCatalogue(readConfig(), ['warn', 'error']);
application.get(ConsistentService).events.on('settled', ({ verdict, by }) => tell({ kind: 'settled', verdict, by }));
// The parent is gone, however it ended.
process.once('disconnect', () => void application.close().finally(() => process.exit()));
tell({ kind: 'ready', url });
