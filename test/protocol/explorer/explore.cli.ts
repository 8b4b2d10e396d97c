import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { explore, type Exploration } from './explorer.js';
import { exploreMutant, FAR, mutantsPage, traceText } from './mutants.page.js';
import { MUTANTS } from './mutants.js';
import { SHIPPED } from './rules.js';
import { exploreAll } from './scenario.pool.js';
import { LONG, SHORT, WITHOUT_TOMBSTONES } from './scenarios.js';

const USAGE = `npm run explore [-- options]
  --long        the larger scenarios as well: several million states
  --json FILE   write {"states", "violations", "mutants", "mutantsCaught"}
  --docs        only write docs/mutants.md
`;
const PAGE = 'docs/mutants.md';

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const amount = (number: number): string => number.toLocaleString('en-US');
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** The scenarios under the shipped rules. */
async function explored(long: boolean): Promise<{ states: number; violations: number }> {
  // SHORT comes first in LONG.
  const count = long ? LONG.length : SHORT.length;
  let left = count;
  const results = await exploreAll(count, {
    progress: (states, open) => say(`   … ${amount(states)} states, ${open} scenarios to go`),
    done: (place, result, tookMs) => {
      const { name } = LONG[place]!;
      const violations = result.violation ? '1 VIOLATION' : '0 violations';
      const facts = `${amount(result.states)} states, ${result.ends} ends, ${violations}, ${seconds(tookMs)}`;
      say(`${String(count - --left).padStart(2)}/${count} ${name}: ${facts}`);
      if (result.violation) say(indented(result));
    },
  });
  return {
    states: results.reduce((sum, { states }) => sum + states, 0),
    violations: results.filter(({ violation }) => violation).length,
  };
}

/** How many mutants are caught, and nothing where they are not at work. */
function mutantsCaught(): number {
  let caught = 0;
  for (const mutant of MUTANTS) {
    const { violation } = exploreMutant(mutant);
    const clean = !explore(mutant.scenario, SHIPPED, FAR).violation;
    const verdict = !clean
      ? 'FOUND WITHOUT IT TOO'
      : violation
        ? `caught in ${violation.trace.length} steps`
        : 'NOT CAUGHT';
    say(`   ${mutant.name}: ${verdict}`);
    if (violation && clean) caught++;
  }
  return caught;
}

/**
 * What happens without the one assumption; false if nothing does, as then the search has lost an eye, or if anything does where
 * deletes are documents.
 */
function priceShown(): boolean {
  return WITHOUT_TOMBSTONES.map((scenario) => {
    const result = explore(scenario, SHIPPED, FAR);
    say(`   ${scenario.name}: ${result.violation ? 'violated, as expected' : 'NOT VIOLATED, and should be'}`);
    if (result.violation) say(indented(result));
    const durable = explore({ ...scenario, durable: true }, SHIPPED);
    say(
      `      with durable tombstones: ${durable.violation ? 'VIOLATED' : `${amount(durable.states)} states, 0 violations`}`,
    );
    if (durable.violation) say(indented(durable));
    return result.violation !== null && durable.violation === null;
  }).every(Boolean);
}

function indented({ violation }: Exploration): string {
  return traceText(violation!).replace(/^/gm, '      ');
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      long: { type: 'boolean', default: false },
      json: { type: 'string' },
      docs: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    say(USAGE);
    return 0;
  }
  if (values.docs) {
    await writeFile(PAGE, mutantsPage());
    say(`wrote ${PAGE}`);
    return 0;
  }
  const begun = performance.now();
  say(`Exploring the shipped rules in every interleaving of ${values.long ? LONG.length : SHORT.length} scenarios`);
  const { states, violations } = await explored(values.long);
  say('The same rules, each spoiled once: the search must notice');
  const caught = mutantsCaught();
  say('Without the one assumption (tombstones forgotten while a request is under way):');
  const priced = priceShown();
  const summary = { states, violations, mutants: MUTANTS.length, mutantsCaught: caught };
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(summary)}\n`);
  say(
    `${amount(states)} states, ${violations} violations, ${caught} of ${MUTANTS.length} mutants caught, ` +
      seconds(performance.now() - begun),
  );
  return violations === 0 && caught === MUTANTS.length && priced ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n${USAGE}`);
  process.exitCode = 2;
}
