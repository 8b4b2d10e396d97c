export const USAGE = `npm run demo -- [options]

  --films N   import only the first N films (at least 100)
  --keep      leave servers and application running at the end, until Ctrl-C
  --falsify   change a document behind the library's back, to see it found (exit status 1)
  --help

MYSQL_URL and ELASTICSEARCH_URL name servers to use; otherwise the demo gets its own.
`;

const FEWEST_FILMS = 100;

/**
 * @typedef {object} DemoArguments
 * @property {number | undefined} films undefined: all
 * @property {boolean} keep
 * @property {boolean} falsify
 * @property {boolean} help
 */

/**
 * @param {string[]} args without node and the script
 * @returns {DemoArguments | string} or what is wrong with them
 */
export function parseArguments(args) {
  const rest = [...args];
  /** @type {DemoArguments} */
  const parsed = { films: undefined, keep: false, falsify: false, help: false };
  while (rest.length > 0) {
    const [option, inline] = /** @type {string} */ (rest.shift()).split('=', 2);
    if (option === '--keep') parsed.keep = true;
    else if (option === '--falsify') parsed.falsify = true;
    else if (option === '--help' || option === '-h') parsed.help = true;
    else if (option === '--films') {
      parsed.films = Number(inline ?? rest.shift());
      if (!Number.isInteger(parsed.films) || parsed.films < FEWEST_FILMS)
        return `--films takes a number from ${FEWEST_FILMS}`;
    } else return `there is no option ${option}`;
  }
  return parsed;
}
