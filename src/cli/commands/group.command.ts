import { CommandRunner } from 'nest-commander';
import { InvalidOptionsError } from '../../errors.js';

/** A command that only has others under it. It has no options: they would be taken from those. */
export abstract class GroupCommand extends CommandRunner {
  override setCommand(command: Parameters<CommandRunner['setCommand']>[0]): this {
    command.exitOverride();
    return super.setCommand(command) as this;
  }

  override async run(): Promise<void> {
    const names = this.command.commands.map((command) => `${this.command.name()} ${command.name()}`);
    throw new InvalidOptionsError(`Which one: ${names.join(', ')}?`);
  }
}
