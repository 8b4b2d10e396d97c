import {
  BadRequestException,
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
  UseInterceptors,
} from '@nestjs/common';
import { ReadRepairInterceptor } from 'nest-consistent';
import type { Film } from './film.entity.js';
import { parseFilmChanges, parseNewFilm } from './film.input.js';
import { FilmsSearch, type SearchResult } from './films.search.js';
import { FilmsService } from './films.service.js';

@Controller('films')
export class FilmsController {
  constructor(
    private readonly films: FilmsService,
    private readonly filmsSearch: FilmsSearch,
  ) {}

  /** Elasticsearch's answer, which needs no repair: documents are never undecided. */
  @Get()
  search(@Query() query: Record<string, unknown>): Promise<SearchResult> {
    return this.filmsSearch.search(query);
  }

  @Get('by-director')
  @UseInterceptors(ReadRepairInterceptor)
  byDirector(@Query('name') name?: string): Promise<Film[]> {
    if (!name) throw new BadRequestException('give ?name=');
    return this.films.byDirector(name);
  }

  @Get(':id')
  get(@Param('id') id: string): Promise<Film> {
    return this.films.get(checkedId(id));
  }

  @Post()
  create(@Body() body: unknown): Promise<Film> {
    return this.films.create(parseNewFilm(body));
  }

  @Patch(':id')
  update(@Param('id') id: string, @Body() body: unknown): Promise<Film> {
    return this.films.update(checkedId(id), parseFilmChanges(body));
  }

  @Delete(':id')
  @HttpCode(204)
  remove(@Param('id') id: string): Promise<void> {
    return this.films.remove(checkedId(id));
  }
}

/** MySQL would read `12abc` as 12. */
function checkedId(id: string): string {
  if (!/^\d{1,18}$/.test(id)) throw new BadRequestException('a film id is a number');
  return id;
}
