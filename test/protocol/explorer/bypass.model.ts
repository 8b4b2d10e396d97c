import { documentOf, type Ending } from './history.js';
import { imageOf, type Spec, type State } from './state.js';

/** How far above all that MySQL's clock has shown a version from outside is. */
const FAR = 3;

/** One step around the library: a transaction of plain SQL, or a document put by a stranger. Null for other kinds. */
export function bypass(state: State, spec: Spec): { label: string; state: State; ending: Ending } | null {
  const { row, clock } = state;
  const image = imageOf(spec);
  switch (spec.kind) {
    case 'sql':
    case 'sqlSoft':
    case 'sqlRemove': {
      // What is written over an undecided write may be undone with it: nothing is promised.
      const ending = row?.pending ? 'unknown' : 'done';
      if (image === null) {
        if (!row) return { label: 'deletes no row', state, ending: 'failed' };
        return { label: 'deletes the row', state: { ...state, row: null, clock: clock + 1 }, ending };
      }
      const changed = row ? { ...row, image } : { image, version: 0, pending: null };
      return {
        label: row ? `sets the row to ${image}` : `inserts the row ${image}`,
        state: { ...state, row: changed, clock: clock + 1 },
        ending,
      };
    }
    case 'foreign': {
      const version = Math.max(clock, state.document.version) + FAR;
      const document = { image: documentOf(image), version, restored: 0 };
      return { label: `puts ${image} at ${version}`, state: { ...state, document }, ending: 'failed' };
    }
    default:
      return null;
  }
}
