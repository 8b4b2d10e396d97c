import { filmsIndex, readConfig } from '../catalogue.config.js';
import { compareStores, summaryOf } from './comparison.js';
import { MAX_SHOWN, differenceLines } from './difference.lines.js';

// Of the same environment as the application: prints the first differences and the sum; exit status 1 if there are any.
const { mysqlUrl, elasticsearchUrl } = readConfig();
let told = 0;
const result = await compareStores({
  mysqlUrl,
  elasticsearchUrl,
  index: filmsIndex(),
  onDifference: (difference) => {
    if (told++ < MAX_SHOWN) for (const line of differenceLines(difference)) console.log(line);
  },
});
console.log(summaryOf(result));
process.exitCode = result.different > 0 ? 1 : 0;
