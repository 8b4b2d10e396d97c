import 'reflect-metadata';
import type { CellResult, CellSpec } from './cell.types.js';
import { measureConsistent, measureSaveMany } from './consistent.peer.js';
import { measureBulkFloor, measureMultiRowFloor, measureStatementFloor } from './floor.peers.js';
import { measureStepsFloor } from './steps.floor.js';
import { measureOutbox } from './outbox.peer.js';
import { measureReads } from './read.cell.js';
import { measureTypeormPeer } from './typeorm.peers.js';

/** One cell, one process: no peer warms up, or litters, the heap of another. */
function measure(spec: CellSpec): Promise<CellResult> {
  switch (spec.peer) {
    case 'dual-write':
    case 'held-transaction':
      return measureTypeormPeer(spec);
    case 'outbox':
      return measureOutbox(spec);
    case 'ours-many':
      return measureSaveMany(spec);
    case 'floor-statement':
      return measureStatementFloor(spec);
    case 'floor-multi-row':
      return measureMultiRowFloor(spec);
    case 'floor-bulk-64':
    case 'floor-bulk-500':
      return measureBulkFloor(spec);
    case 'floor-steps-500':
      return measureStepsFloor(spec);
    case 'reads':
      return measureReads(spec);
    default:
      return measureConsistent(spec);
  }
}

process.on('disconnect', () => process.exit(1));
const result = await measure(JSON.parse(process.argv[2]!) as CellSpec);
process.send!(result, () => process.exit(0));
