import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { imageOf } from '../../tools/servers/docker.server.mjs';
import { mysqlSettings } from '../../tools/servers/mysql.settings.mjs';

interface Service {
  image: string;
  command?: string[];
  environment: Record<string, string>;
  ports: string[];
  healthcheck: { test: string[]; retries: number };
}

const { services } = parse(readFileSync('docker-compose.yml', 'utf8')) as { services: Record<string, Service> };

describe('docker-compose.yml', () => {
  it('starts the same pair of versions as the servers tool', () => {
    expect(Object.keys(services)).toEqual(['mysql', 'elasticsearch']);
    expect(services.mysql?.image).toBe(imageOf('mysql'));
    const version = process.env.ELASTICSEARCH_VERSION;
    delete process.env.ELASTICSEARCH_VERSION;
    expect(services.elasticsearch?.image).toBe(imageOf('elasticsearch'));
    if (version) process.env.ELASTICSEARCH_VERSION = version;
  });

  it('gives MySQL the same options', () => {
    expect(services.mysql?.command).toEqual(mysqlSettings());
    expect(services.mysql?.environment).toEqual({ MYSQL_ALLOW_EMPTY_PASSWORD: 'yes', MYSQL_ROOT_HOST: '%' });
  });

  it('runs Elasticsearch as one node without security', () => {
    expect(services.elasticsearch?.environment).toMatchObject({
      'discovery.type': 'single-node',
      'xpack.security.enabled': 'false',
    });
  });

  it('listens on this machine only, at the ports the documentation names', () => {
    expect(services.mysql?.ports).toEqual(['127.0.0.1:3306:3306']);
    expect(services.elasticsearch?.ports).toEqual(['127.0.0.1:9200:9200']);
  });

  it('says when the servers are ready', () => {
    for (const service of Object.values(services)) {
      expect(service.healthcheck.test[0]).toMatch(/^CMD/);
      expect(service.healthcheck.retries).toBeGreaterThan(10);
    }
  });

  it('is accepted by the compose client where there is one', () => {
    // The client checks the file without an engine; machines without it have the checks above.
    if (spawnSync('docker', ['compose', 'version']).status !== 0) return;
    const checked = spawnSync('docker', ['compose', '-f', 'docker-compose.yml', 'config', '--quiet']);
    expect(checked.stderr.toString()).toBe('');
    expect(checked.status).toBe(0);
  });
});
