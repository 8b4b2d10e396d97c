import type { Logger } from '@nestjs/common';
import type { EntitySubscriberInterface } from 'typeorm';
import type { EntityBinding } from '../entity/entity.binding.js';
import type { BypassGuard } from '../consistent.options.js';
import { ProtocolBypassedError } from '../errors.js';
import { isSanctioned } from './sanctioned.js';

interface WriteEvent {
  entity?: unknown;
  databaseEntity?: unknown;
}

/**
 * A TypeORM subscriber that sees every write of a consistent entity which TypeORM carries out (repositories, entity
 * managers, query builders, active record), and lets only the library's own pass. Raw SQL is not seen by TypeORM.
 */
export class BypassGuardSubscriber implements EntitySubscriberInterface {
  private readonly warned = new Set<string>();

  constructor(
    private readonly binding: EntityBinding,
    private readonly guard: Exclude<BypassGuard, 'off'>,
    private readonly logger: Logger,
  ) {}

  listenTo(): Function {
    return this.binding.target;
  }

  beforeInsert(event: WriteEvent): void {
    this.check(event, 'insert');
  }

  beforeUpdate(event: WriteEvent): void {
    this.check(event, 'update');
  }

  beforeRemove(event: WriteEvent): void {
    this.check(event, 'remove');
  }

  beforeSoftRemove(event: WriteEvent): void {
    this.check(event, 'softRemove');
  }

  beforeRecover(event: WriteEvent): void {
    this.check(event, 'recover');
  }

  private check(event: WriteEvent, operation: string): void {
    if (isSanctioned(event.entity)) return;
    const { name } = this.binding;
    const message =
      `${name}: ${operation} through plain TypeORM goes around the protocol, and the document would not follow. Write through the ` +
      `ConsistentRepository of ${name}, or inside consistent.transaction().`;
    if (this.guard === 'refuse') throw new ProtocolBypassedError(message, { entity: name, operation });
    if (this.warned.has(operation)) return;
    this.warned.add(operation);
    this.logger.warn(message);
  }
}
