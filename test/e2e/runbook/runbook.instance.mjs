import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { SchedulerRegistry } from '@nestjs/schedule';
import { RunbookModule } from './runbook.module.mjs';

// By names that are known at run time only: neither is there before it was built.
/** @type {string[]} */
const [library, binlog] = ['nest-consistent', 'nest-consistent/binlog'];
const catalogue = new URL('../../../examples/film-catalogue/build/', import.meta.url);
const { SWEEPER_INTERVAL } = await import(/** @type {string} */ (library));
const { BackstopService } = await import(/** @type {string} */ (binlog));
const { FilmRepository } = await import(new URL('films/film.repository.js', catalogue).href);

/*
 * One instance of the catalogue in a process of its own. Does what its parent says, and answers: `leading` waits until its
 * backstop leads, `stop-sweeper` ends the sweeper's job as a fault would, `save` writes films.
 */
const application = await NestFactory.createApplicationContext(RunbookModule, { logger: ['error'] });
const films = application.get(FilmRepository, { strict: false });
const backstop = application.get(BackstopService);

/** @type {Record<string, (given: any) => unknown>} */
const orders = {
  leading: async () => {
    while (backstop.status().state !== 'leading') await new Promise((resolve) => setTimeout(resolve, 20));
  },
  drained: () => backstop.drained(60_000),
  'stop-sweeper': () => application.get(SchedulerRegistry).deleteInterval(SWEEPER_INTERVAL),
  save: (given) => films.save(given).then((/** @type {{ id: string }} */ { id }) => id),
  remove: async (id) => films.remove(await films.findOneByOrFail({ id })).then(() => undefined),
};

process.on('message', async (/** @type {{ order: string, given: unknown }} */ { order, given }) => {
  try {
    process.send?.({ answer: (await orders[order]?.(given)) ?? null });
  } catch (error) {
    const { code, message } = /** @type {{ code?: string, message: string }} */ (error);
    process.send?.({ error: code ?? message });
  }
});
process.once('disconnect', () => process.exit());
process.send?.({ ready: true });
