import { readFileSync } from 'node:fs';

// Prints `N passed, N failed`, summed over the files that jest wrote with --json --outputFile.
// A test file that could not even be loaded has no tests to count: it is one failure. So is a run without results.

let passed = 0;
let failed = 0;
for (const file of process.argv.slice(2)) {
  try {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(readFileSync(file, 'utf8'));
    passed += numPassedTests;
    failed += numFailedTests + numRuntimeErrorTestSuites;
  } catch {
    failed += 1;
  }
}
console.log(`${passed} passed, ${failed} failed`);
