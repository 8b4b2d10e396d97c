import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { CatalogueModule } from '../catalogue.module.js';
import { readConfig } from '../catalogue.config.js';
import { FilmRepository } from '../films/film.repository.js';
import { ProgressBar } from './progress.bar.js';
import { saveAll } from './film.saver.js';
import { cleanFilms, readVegaFilms } from './vega.films.js';

/** Imports the first `limit` films of the data set. Returns how many failed. */
async function importFilms(limit: number): Promise<number> {
  const { films, cleaning } = cleanFilms((await readVegaFilms()).slice(0, limit));
  const application = await NestFactory.createApplicationContext(CatalogueModule.forRoot(readConfig()), {
    logger: ['warn', 'error'],
  });
  try {
    const bar = new ProgressBar('films', films.length);
    const begunAt = performance.now();
    const repository = application.get(FilmRepository, { strict: false });
    const { failed, repeated } = await saveAll(repository, films, (done) => bar.show(done));
    bar.end();
    const seconds = (performance.now() - begunAt) / 1_000;
    const saved = films.length - failed.length;
    console.log(`  ${saved} films saved in ${seconds.toFixed(1)} s, ${Math.round(saved / seconds)} a second`);
    if (repeated > 0) console.log(`  ${repeated} of them at a second or third try`);
    for (const { film, error } of failed.slice(0, 5)) console.log(`  failed: ${film.title}: ${error.message}`);
    tell('changed', cleaning.changes);
    tell('missing', Object.fromEntries(cleaning.missing.map(({ property, films: count }) => [property, count])));
    return failed.length;
  } finally {
    await application.close();
  }
}

/** `  label  a 12 · b 3`, in lines of at most 96 characters. */
function tell(label: string, counts: Readonly<Record<string, number>>): void {
  const lines = [''];
  for (const [name, count] of Object.entries(counts)) {
    const item = `${name} ${count}`;
    const last = lines.at(-1)!;
    if (last.length + item.length > 80) lines.push(item);
    else lines[lines.length - 1] = last === '' ? item : `${last} · ${item}`;
  }
  lines.forEach((line, at) => console.log(`  ${(at === 0 ? label : '').padEnd(9)} ${line || 'nothing'}`));
}

const asked = process.argv.indexOf('--films');
const limit = asked < 0 ? Infinity : Number(process.argv[asked + 1]);
process.exitCode = (await importFilms(limit)) > 0 ? 1 : 0;
