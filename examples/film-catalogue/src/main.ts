import 'reflect-metadata';
import { startCatalogue } from './catalogue.application.js';
import { readConfig } from './catalogue.config.js';

const { url } = await startCatalogue(readConfig(), ['log', 'warn', 'error']);
console.log(`film catalogue at ${url}`);
