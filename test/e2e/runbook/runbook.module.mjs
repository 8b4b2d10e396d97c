import { Module } from '@nestjs/common';

// By names that are known at run time only: neither is there before it was built.
/** @type {string} */
const binlog = 'nest-consistent/binlog';
const catalogue = new URL('../../../examples/film-catalogue/build/', import.meta.url);
const { BackstopModule } = await import(binlog);
const { CatalogueModule } = await import(new URL('catalogue.module.js', catalogue).href);
const { readConfig } = await import(new URL('catalogue.config.js', catalogue).href);

/** The film catalogue as its application configures it, with a backstop beside it. */
export class RunbookModule {}
const backstop = BackstopModule.forRoot({ checkpointIntervalMs: 100, autoStart: process.env.BACKSTOP !== 'off' });
Module({ imports: [CatalogueModule.forRoot(readConfig()), backstop] })(RunbookModule);
