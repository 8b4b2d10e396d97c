import { Module } from '@nestjs/common';
import { BackstopCommand, BackstopRewindCommand, BackstopStatusCommand } from './commands/backstop.command.js';
import { DoctorCommand } from './commands/doctor.command.js';
import { MigrateCommand } from './commands/migrate.command.js';
import {
  ParkedCommand,
  ParkedDiscardCommand,
  ParkedListCommand,
  ParkedRetryCommand,
} from './commands/parked.command.js';
import {
  ReindexCommand,
  ReindexFinishCommand,
  ReindexRollbackCommand,
  ReindexStartCommand,
  ReindexStatusCommand,
} from './commands/reindex.command.js';
import { RepairCommand } from './commands/repair.command.js';
import { StatusCommand } from './commands/status.command.js';
import { SweepCommand } from './commands/sweep.command.js';
import { VerifyCommand } from './commands/verify.command.js';

/** Every command; each opens the application by itself. */
@Module({
  providers: [
    DoctorCommand,
    MigrateCommand,
    VerifyCommand,
    RepairCommand,
    ReindexCommand,
    ReindexStartCommand,
    ReindexStatusCommand,
    ReindexRollbackCommand,
    ReindexFinishCommand,
    SweepCommand,
    ParkedCommand,
    ParkedListCommand,
    ParkedRetryCommand,
    ParkedDiscardCommand,
    BackstopCommand,
    BackstopStatusCommand,
    BackstopRewindCommand,
    StatusCommand,
  ],
})
export class CliModule {}
