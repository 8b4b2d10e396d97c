import { readFileSync } from 'node:fs';

// Prints `N passed, N failed` from the file that jest wrote with --json --outputFile.
// A test file that could not even be loaded has no tests to count: it is one failure.

const [file = ''] = process.argv.slice(2);
try {
  const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(readFileSync(file, 'utf8'));
  console.log(`${numPassedTests} passed, ${numFailedTests + numRuntimeErrorTestSuites} failed`);
} catch {
  console.log('0 passed, 0 failed');
}
