import 'reflect-metadata';
import { type DynamicModule, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { BackstopModule, BackstopService } from '../../src/binlog/index.js';
import { ConsistentModule, defineConsistentRepository } from '../../src/index.js';
import { MAPPINGS, SETTINGS } from '../product.data.js';
import { ConsistentProduct } from '../product.entity.js';
import { mark } from './follower.marks.js';

/** The backstop in a Nest application, with its default options and all its guarantees: versions, checkpoint, checks, retries. */
const { MYSQL_HOST, MYSQL_PORT, DATABASE, ELASTICSEARCH_URL, INDEX, GTID_SET, GTID_SET_END, ROWS } = process.env;
const TIMEOUT_MS = 600_000;

@Module({})
class FollowerModule {}

const repository = defineConsistentRepository(ConsistentProduct, {
  index: INDEX!,
  mappings: MAPPINGS,
  settings: SETTINGS,
});
const module: DynamicModule = {
  module: FollowerModule,
  imports: [
    TypeOrmModule.forRoot({
      type: 'mysql',
      url: `mysql://root@${MYSQL_HOST}:${MYSQL_PORT}/${DATABASE}`,
      entities: [ConsistentProduct],
      timezone: 'Z',
      charset: 'utf8mb4',
      poolSize: 8,
    }),
    ConsistentModule.forRoot({ elasticsearch: { node: ELASTICSEARCH_URL! }, sweeper: false }),
    ConsistentModule.forFeature([repository]),
    // A name of its own for every run: a checkpoint of the run before is not taken.
    BackstopModule.forRoot({
      autoStart: false,
      name: `bench-${process.pid}-${Date.now()}`,
      startFrom: { gtidSet: GTID_SET! },
    }),
  ],
};
const application = await NestFactory.createApplicationContext(module, { logger: ['error', 'warn'] });
const backstop = application.get(BackstopService);
mark('start', 0);
backstop.start();
if (Number(ROWS) > 0) {
  await backstop.waitFor(GTID_SET_END, TIMEOUT_MS);
  mark('done', Number(ROWS));
}
