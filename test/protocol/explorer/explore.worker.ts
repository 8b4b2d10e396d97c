import { parentPort } from 'node:worker_threads';
import { explore, type Exploration } from './explorer.js';
import { LONG } from './scenarios.js';

/** Explores the scenarios of `LONG` whose places it is sent, one after the other. */
export type FromWorker = { readonly states: number } | { readonly result: Exploration };

const port = parentPort!;
const send = (message: FromWorker): void => port.postMessage(message);

port.on('message', (place: number) => {
  const result = explore(LONG[place]!, undefined, undefined, (states) => send({ states }));
  send({ result });
});
