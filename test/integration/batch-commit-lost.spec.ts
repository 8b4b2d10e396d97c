import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { COMMIT, Faulty } from '../support/faulty.js';

/** An importer that must not save a row twice asks for each by the key in its error. */
describe('saveMany whose COMMIT is lost', () => {
  let faulty: Faulty;

  beforeAll(async () => {
    faulty = await Faulty.start('batch-commit-lost', { mysqlProxy: true });
  });
  afterAll(() => faulty.close());

  it('names in each error the row that it is about', async () => {
    const seeded = await Promise.all([1, 2, 3].map(() => faulty.seed()));
    faulty.mysql.inject({ kind: 'cut-after' }, { ...COMMIT, times: 1 });
    const outcomes = await faulty.products.saveMany(seeded.map(({ id }) => ({ id, title: 'many' })));
    const named = outcomes.map((outcome) => (outcome.status === 'failed' ? outcome.error : null));
    expect(named).toEqual(
      seeded.map(({ id }) =>
        expect.objectContaining({ code: 'OUTCOME_UNKNOWN', data: expect.objectContaining({ key: id }) }),
      ),
    );
  });
});
