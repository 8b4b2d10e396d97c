import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { Film } from './film.entity.js';
import { FilmRepository } from './film.repository.js';

/** Reads of one film, and every write, go through the consistent repository. */
@Injectable()
export class FilmsService {
  constructor(
    private readonly films: FilmRepository,
    @InjectRepository(Film) private readonly plainFilms: Repository<Film>,
  ) {}

  async get(id: string): Promise<Film> {
    const film = await this.films.findOneBy({ id });
    if (!film) throw new NotFoundException(`there is no film ${id}`);
    return film;
  }

  create(film: Partial<Film>): Promise<Film> {
    return this.films.save(film);
  }

  update(id: string, changes: Partial<Film>): Promise<Film> {
    return this.films.update({ ...changes, id });
  }

  async remove(id: string): Promise<void> {
    await this.films.remove(await this.get(id));
  }

  /** Written before the library came to this application, on TypeORM's own repository: the controller's interceptor repairs it. */
  byDirector(director: string): Promise<Film[]> {
    return this.plainFilms.find({ where: { director }, order: { releasedOn: 'ASC', id: 'ASC' } });
  }
}
