/** What the application takes from its environment. */
export interface CatalogueConfig {
  /** With the database's name in it. */
  readonly mysqlUrl: string;
  readonly elasticsearchUrl: string;
  /** Alias that films are searched under. Default `films`. */
  readonly index: string;
  /** Default 3000; 0 takes any free port. */
  readonly port: number;
  /** Longest time for one index request. Default 2,000. */
  readonly writeTimeoutMs: number;
  /** How long a film may stay undecided before anybody may settle it. Default 5,000. */
  readonly deadlineMs: number;
}

/** Throws an `Error` that names the variable which is missing or no number. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): CatalogueConfig {
  const text = (name: string): string => {
    const value = env[name];
    if (!value) throw new Error(`${name} is not set`);
    return value;
  };
  const number = (name: string, otherwise: number): number => {
    const value = Number(env[name] ?? otherwise);
    if (!Number.isInteger(value) || value < 0) throw new Error(`${name} must be a whole number, not ${env[name]}`);
    return value;
  };
  return {
    mysqlUrl: text('MYSQL_URL'),
    elasticsearchUrl: text('ELASTICSEARCH_URL'),
    index: filmsIndex(env),
    port: number('PORT', 3_000),
    writeTimeoutMs: number('WRITE_TIMEOUT_MS', 2_000),
    deadlineMs: number('DEADLINE_MS', 5_000),
  };
}

export function filmsIndex(env: NodeJS.ProcessEnv = process.env): string {
  return env.FILMS_INDEX ?? 'films';
}
