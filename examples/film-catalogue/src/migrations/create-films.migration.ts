import type { MigrationInterface, QueryRunner } from 'typeorm';
import { addConsistencyColumns } from 'nest-consistent';

export class CreateFilms1700000000000 implements MigrationInterface {
  // TypeORM takes the order from the name's number; a bundler may rename the class.
  readonly name = 'CreateFilms1700000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE TABLE film (
      id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
      title varchar(200) NOT NULL,
      releasedOn date NOT NULL,
      director varchar(80) NULL,
      distributor varchar(80) NULL,
      genre varchar(40) NULL,
      creativeType varchar(40) NULL,
      source varchar(40) NULL,
      mpaaRating varchar(10) NULL,
      runningTimeMinutes int NULL,
      rottenTomatoesRating tinyint unsigned NULL,
      imdbRating decimal(3,1) NULL,
      imdbVotes int unsigned NULL,
      productionBudget bigint NULL,
      usGross bigint NULL,
      worldwideGross bigint NULL,
      usDvdSales bigint NULL,
      importNotes json NULL,
      createdAt datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
      updatedAt datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`);
    await addConsistencyColumns(queryRunner, 'film');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE film');
  }
}
