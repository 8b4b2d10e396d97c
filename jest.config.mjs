// The matrix: the same tests with client 8, against the server that ELASTICSEARCH_VERSION names.
const client8 = process.env.ELASTICSEARCH_CLIENT === '8' ? { '^@elastic/elasticsearch$': 'elasticsearch8' } : {};

export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { ...client8, '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': ['@swc/jest', { module: { type: 'es6' } }] },
  testMatch: ['<rootDir>/test/**/*.spec.ts'],
  testTimeout: 60_000,
  // Two cores are shared with MySQL and Elasticsearch: more workers only make each other slower.
  maxWorkers: 2,
  collectCoverageFrom: ['src/**/*.ts', '!src/**/index.ts'],
  coverageReporters: ['text-summary', 'lcov'],
};
