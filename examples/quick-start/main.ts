import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Consistency, Consistent, ConsistentModule, ConsistentRepository, CONSISTENT_CLIENT } from 'nest-consistent';

const { MYSQL_URL: url, ELASTICSEARCH_URL: node } = process.env;

@Entity()
class Film {
  @PrimaryGeneratedColumn() id!: number;
  @Column() title!: string;
  @Column() year!: number;
  @Column(() => Consistency) consistency!: Consistency;
}

@Consistent(Film, { index: 'quick-start-films', mappings: { properties: { year: { type: 'short' } } } })
class FilmRepository extends ConsistentRepository<Film> {}

@Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'mysql', url, charset: 'utf8mb4', entities: [Film], synchronize: true }),
    ScheduleModule.forRoot(),
    ConsistentModule.forRoot({ elasticsearch: { node } }),
    ConsistentModule.forFeature([FilmRepository]),
  ],
})
class AppModule {}

const app = await NestFactory.createApplicationContext(AppModule, { logger: ['warn', 'error'] });
const films = app.get(FilmRepository);

const film = await films.save({ title: 'Stalker', year: 1979 });
const document = await app.get(CONSISTENT_CLIENT).get({ index: films.index, id: String(film.id) });
console.log('row     ', JSON.stringify(film));
console.log('document', document._version, JSON.stringify(document._source));

film.year = 40_000; // too large for a `short`: Elasticsearch refuses the document, so MySQL does not keep the row either
await films.save(film).catch((error) => console.log('refused ', error.code, '-', error.data.reason));
console.log('row     ', JSON.stringify(await films.findOneBy({ id: film.id })));

await app.close();
