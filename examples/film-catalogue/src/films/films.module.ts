import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ConsistentModule } from 'nest-consistent';
import { Film } from './film.entity.js';
import { FilmRepository } from './film.repository.js';
import { FilmsController } from './films.controller.js';
import { FilmsSearch } from './films.search.js';
import { FilmsService } from './films.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([Film]), ConsistentModule.forFeature([FilmRepository])],
  controllers: [FilmsController],
  providers: [FilmsService, FilmsSearch],
})
export class FilmsModule {}
