import sequencer from '@jest/test-sequencer';

const Sequencer = sequencer.default ?? sequencer;
/** Minutes where others take seconds. On a fresh checkout jest knows no durations, and would begin with it last, alone. */
const LONGEST = /chaos\.short\.spec\.ts$/;

export default class LongestFirstSequencer extends Sequencer {
  async sort(tests) {
    const sorted = await super.sort(tests);
    const isLongest = ({ path }) => LONGEST.test(path);
    return [...sorted.filter(isLongest), ...sorted.filter((test) => !isLongest(test))];
  }
}
