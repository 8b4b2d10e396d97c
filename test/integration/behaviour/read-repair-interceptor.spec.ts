import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Param, ServiceUnavailableException, UseInterceptors } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { APP_INTERCEPTOR, ExternalContextCreator } from '@nestjs/core';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import type { AddressInfo } from 'node:net';
import { from, lastValueFrom, type Observable, of, throwError } from 'rxjs';
import { Column, Entity, PrimaryColumn, type Repository } from 'typeorm';
import {
  Consistency,
  type ConsistentRepository,
  defineConsistentRepository,
  ReadRepairInterceptor,
  ReadUnsettledError,
} from '../../../src/index.js';
import { Stores } from '../../support/application.js';
import { LostAnswers } from '../../support/lost.answers.js';

@Entity('film')
class Film {
  @PrimaryColumn() id!: string;
  @Column({ default: '' }) title!: string;
  @Column(() => Consistency) consistency!: Consistency;
}

class Handlers {
  constructor(@InjectRepository(Film) protected readonly films: Repository<Film>) {}
  one(id: string) {
    return this.films.findOneBy({ id });
  }
  all() {
    return this.films.find({ order: { id: 'ASC' } });
  }
}

/** Each way to put the interceptor on: only the routes under it are repaired. */
@Controller('route')
class RouteController extends Handlers {
  @Get('plain/:id') plain(@Param('id') id: string) {
    return this.one(id);
  }
  @Get('repaired/:id') @UseInterceptors(ReadRepairInterceptor) repaired(@Param('id') id: string) {
    return this.one(id);
  }
}
@Controller('controller')
@UseInterceptors(ReadRepairInterceptor)
class WholeController extends Handlers {
  @Get('list') list() {
    return this.all();
  }
  @Get('page') async page() {
    const items = await this.all();
    return { items, total: items.length, links: { first: items[0], self: '/page' }, at: new Date(0) };
  }
  @Get('nested') async nested() {
    return { shelves: [{ films: await this.all() }, { films: [] }], nothing: null };
  }
  @Get('copies') async copies() {
    return (await this.all()).map((film) => ({ title: film.title }));
  }
  @Get('stream') stream(): Observable<Film[]> {
    return from(this.all());
  }
  @Get('nothing') nothing() {
    return null;
  }
  @Get('one/:id') single(@Param('id') id: string) {
    return this.one(id);
  }
}

/** As a gateway or a message handler: no controller, and no HTTP around it. */
@Injectable()
@UseInterceptors(ReadRepairInterceptor)
class Gateway extends Handlers {
  list(): Promise<Film[]> {
    return this.all();
  }
  single(id: string): Promise<Film | null> {
    return this.one(id);
  }
}

describe('ReadRepairInterceptor', () => {
  let stores: Stores;
  let answers: LostAnswers;
  let films: ConsistentRepository<Film>;
  let application: INestApplication;
  let base: string;

  async function start(global: boolean): Promise<void> {
    const target = defineConsistentRepository(Film, { index: stores.index('films') });
    const module = await stores.start({
      entities: [Film],
      repositories: [target],
      elasticsearchNode: answers.url,
      imports: [TypeOrmModule.forFeature([Film])],
      controllers: [RouteController, WholeController],
      providers: [Gateway, ...(global ? [{ provide: APP_INTERCEPTOR, useExisting: ReadRepairInterceptor }] : [])],
    });
    films = module.get(target);
    application = module.createNestApplication({ logger: false });
    await application.listen(0, '127.0.0.1');
    base = `http://127.0.0.1:${(application.getHttpServer().address() as AddressInfo).port}`;
  }
  const get = async (path: string) => {
    const answer = await fetch(`${base}/${path}`);
    const text = await answer.text();
    return { status: answer.status, body: (text ? JSON.parse(text) : null) as unknown };
  };

  beforeAll(async () => {
    stores = await Stores.create('interceptor');
    answers = await LostAnswers.start();
    await start(false);
    await films.save({ id: 'calm', title: 'calm' });
    await films.save({ id: 'changed', title: 'before' });
    await answers.vanished(() => films.save({ id: 'changed', title: 'after' }));
    await answers.vanished(() => films.save({ id: 'inserted', title: 'not yet' }));
  });
  afterAll(async () => {
    await application.close();
    await stores.close();
    await answers.stop();
  });

  const visible = [
    { id: 'calm', title: 'calm' },
    { id: 'changed', title: 'before' },
  ];

  it('on one route: entities of plain repositories are repaired, other routes are not touched', async () => {
    expect((await get('route/repaired/changed')).body).toMatchObject({ title: 'before' });
    expect((await get('route/plain/changed')).body).toMatchObject({ title: 'after' });
  });

  it('a row alone that is not to be seen is 404, a null of the handler stays null', async () => {
    expect(await get('route/repaired/inserted')).toMatchObject({ status: 404 });
    expect(await get('controller/one/inserted')).toMatchObject({ status: 404 });
    expect(await get('controller/one/nowhere')).toMatchObject({ status: 200, body: null });
    expect(await get('controller/nothing')).toMatchObject({ status: 200, body: null });
  });

  it('on a controller: arrays, page objects, nested objects, observables', async () => {
    expect((await get('controller/list')).body).toMatchObject(visible);
    expect((await get('controller/page')).body).toMatchObject({
      items: visible,
      total: 3,
      links: { first: { id: 'calm' }, self: '/page' },
      at: '1970-01-01T00:00:00.000Z',
    });
    expect((await get('controller/nested')).body).toMatchObject({
      shelves: [{ films: visible }, { films: [] }],
      nothing: null,
    });
    expect((await get('controller/stream')).body).toMatchObject(visible);
  });

  it('cannot recognise copies: they pass as they are', async () => {
    expect((await get('controller/copies')).body).toEqual([
      { title: 'calm' },
      { title: 'after' },
      { title: 'not yet' },
    ]);
  });

  it('outside HTTP: lists are repaired, and a row that is not to be seen is null', async () => {
    const creator = application.get(ExternalContextCreator);
    const gateway = application.get(Gateway);
    const under = { interceptors: true, guards: true, filters: true };
    const call = (method: 'single' | 'list', type: string, ...given: unknown[]) => {
      const callback = gateway[method] as (...parts: unknown[]) => unknown;
      const handler = creator.create(
        gateway,
        callback,
        method,
        undefined,
        undefined,
        undefined,
        undefined,
        under,
        type,
      );
      return handler(...given);
    };
    for (const type of ['rpc', 'ws', 'graphql']) {
      expect(await call('list', type)).toMatchObject(visible);
      expect(await call('single', type, 'changed')).toMatchObject({ title: 'before' });
      expect(await call('single', type, 'inserted')).toBeNull();
    }
  });

  it('a row that cannot be settled now: 503 over HTTP with the cause, the error itself elsewhere', async () => {
    const error = new ReadUnsettledError('not now');
    const interceptor = new ReadRepairInterceptor({ repair: () => Promise.reject(error) } as never);
    const thrown = (type: string, handle: () => Observable<unknown>) =>
      lastValueFrom(interceptor.intercept({ getType: () => type } as never, { handle })).catch(
        (reason: unknown) => reason,
      );
    const own = () => throwError(() => error);
    for (const handle of [() => of({}), own]) {
      const unavailable = await thrown('http', handle);
      expect(unavailable).toBeInstanceOf(ServiceUnavailableException);
      expect(unavailable).toMatchObject({ cause: error });
      expect(await thrown('rpc', handle)).toBe(error);
    }
    const another = new Error('another');
    expect(await thrown('http', () => throwError(() => another))).toBe(another);
  });

  it('globally: every route', async () => {
    await application.close();
    await start(true);
    expect((await get('route/plain/changed')).body).toMatchObject({ title: 'before' });
    expect((await get('controller/list')).body).toMatchObject(visible);
    expect(await get('route/plain/inserted')).toMatchObject({ status: 404 });
  });
});
