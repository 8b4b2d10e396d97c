#!/usr/bin/env node
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { configurationPage } from './configuration.page.mjs';
import { errorsPage } from './errors.page.mjs';
import { metricsPage } from './metrics.page.mjs';

// Writes the pages that are made from the source's doc comments. `--check` writes nothing and fails when one is stale.
//   npm run docs
//   npm run docs:check

const check = process.argv.includes('--check');
const pages = {
  'docs/configuration.md': configurationPage,
  'docs/errors.md': errorsPage,
  'docs/metrics.md': metricsPage,
};
const stale = [];

for (const [path, make] of Object.entries(pages)) {
  const source = (await make()).replace(
    '\n\n',
    '\n\n<!-- Made by `npm run docs` from the doc comments in src/. Do not edit. -->\n\n',
  );
  const text = await format(source, { ...(await resolveConfig(path)), parser: 'markdown' });
  if (read(path) === text) continue;
  if (check) stale.push(path);
  else writeFileSync(path, text);
}

if (stale.length > 0) {
  console.error(`${stale.join(' and ')} no longer match the source. Run: npm run docs`);
  process.exitCode = 1;
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
