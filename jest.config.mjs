export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': ['@swc/jest', { module: { type: 'es6' } }] },
  testMatch: ['<rootDir>/test/**/*.spec.ts'],
  testTimeout: 60_000,
  // Two cores are shared with MySQL and Elasticsearch: more workers only make each other slower.
  maxWorkers: 2,
  collectCoverageFrom: ['src/**/*.ts', '!src/**/index.ts'],
  coverageReporters: ['text-summary', 'lcov'],
};
