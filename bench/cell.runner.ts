import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CellResult, CellSpec } from './cell.types.js';
import { resetStores } from './store.reset.js';

/** Fresh tables and indices, then the cell in a process of its own. */
export async function runCell(spec: CellSpec): Promise<CellResult> {
  await resetStores(spec.servers, spec.operation !== 'insert');
  return new Promise<CellResult>((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('cell.process.js', import.meta.url)), [JSON.stringify(spec)]);
    let result: CellResult | undefined;
    child.on('message', (message) => {
      result = message as CellResult;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (result && code === 0) resolve(result);
      else reject(new Error(`${spec.peer} ${spec.operation} at ${spec.concurrency} ended with ${code} and no result`));
    });
  });
}
