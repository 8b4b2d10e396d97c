import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { FinalDocument, FinalRow, FinalStores } from './final.comparison.js';
import { HistoryWriter, nowNs } from './history.js';
import { judge, type Judgement } from './history.judge.js';

const V = 1_700_000_000_000_000;

function row(value: string, version = V, prepared = false): FinalRow {
  return { state: { value, listed: true, deleted: false }, version, prepared, document: { value } };
}
const document = (value: string, version = V): FinalDocument => ({ version, fields: { value } });

describe('the verdict on a run', () => {
  let folder: string;
  let history: HistoryWriter;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'chaos-judge-'));
    history = new HistoryWriter(join(folder, 'p.history.jsonl'));
  });
  afterEach(() => {
    history.close();
    rmSync(folder, { recursive: true });
  });

  const insert = (key: string, value: string): number[] =>
    history.invoke([{ key, kind: 'insert', value, listed: true }]);
  const verdict = (rows: Record<string, FinalRow>, documents: Record<string, FinalDocument>): Promise<Judgement> => {
    const final: FinalStores = {
      rows: new Map(Object.entries(rows)),
      documents: new Map(Object.entries(documents)),
      parked: [],
    };
    return judge({ files: [{ process: 'p', path: join(folder, 'p.history.jsonl') }], final, finalAt: nowNs() });
  };

  it('is clean when both stores hold what was acknowledged', async () => {
    history.answer(insert('k', 'a'), [{ result: 'ok', version: V }]);
    const judgement = await verdict({ k: row('a') }, { k: document('a') });
    expect(judgement).toMatchObject({ writes: 1, acknowledged: 1, unknown: 0, keysChecked: 1, nonLinearizable: 0 });
    expect(judgement).toMatchObject({ lost: 0, differences: [] });
  });

  it('counts a lost write, and shows the history that is bad', async () => {
    history.answer(insert('k', 'a'), [{ result: 'ok', version: V }]);
    const judgement = await verdict({}, {});
    expect(judgement).toMatchObject({ lost: 1, nonLinearizable: 1 });
    expect(judgement.badHistories[0]).toMatch(
      /insert a → ok v17.*\n.*read \w+ via the last look → absent.*<= fits no order/,
    );
  });

  it('counts a write that was refused for certain and happened all the same', async () => {
    history.answer(insert('k', 'a'), [{ result: 'no', code: 'INDEX_UNAVAILABLE', version: V }]);
    const judgement = await verdict({ k: row('a') }, { k: document('a') });
    expect(judgement.nonLinearizable).toBe(1);
    expect(judgement.badHistories[0]).toContain('insert a → no v1700000000000000 INDEX_UNAVAILABLE');
  });

  it('leaves the fate of a killed process open', async () => {
    insert('k', 'a');
    insert('l', 'b');
    const judgement = await verdict({ k: row('a') }, { k: document('a') });
    expect(judgement).toMatchObject({ writes: 2, unknown: 2, lost: 0, nonLinearizable: 0, differences: [] });
  });

  it('compares every row with its document, orphans and versions included', async () => {
    for (const key of ['same', 'torn', 'gone', 'older']) {
      history.answer(insert(key, key), [{ result: 'ok', version: V }]);
    }
    const rows = { same: row('same'), torn: row('torn'), gone: row('gone'), older: row('older') };
    const documents = {
      same: document('same'),
      torn: document('other'),
      older: document('older', V - 1),
      orphan: document('orphan'),
    };
    const { differences } = await verdict(rows, documents);
    expect(differences.map(({ key }) => key).sort()).toEqual(['gone', 'older', 'orphan', 'torn']);
  });

  it("accepts a row's higher version where a refused write has used it up", async () => {
    history.answer(insert('k', 'a'), [{ result: 'ok', version: V }]);
    history.answer(history.invoke([{ key: 'k', kind: 'update', value: 'b', listed: true }]), [
      { result: 'no', code: 'INDEX_UNAVAILABLE', version: V + 5 },
    ]);
    const judgement = await verdict({ k: row('a', V + 5) }, { k: document('a') });
    expect(judgement).toMatchObject({ differences: [], lost: 0, nonLinearizable: 0 });
  });
});
