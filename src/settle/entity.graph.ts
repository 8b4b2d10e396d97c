import { EventEmitter } from 'node:events';
import type { ObjectLiteral } from 'typeorm';
import type { EntityContext } from '../entity/entity.context.js';
import { ReadUnsettledError } from '../errors.js';

/** One place in a result where a consistent entity stands. */
export interface EntitySite {
  readonly entity: ObjectLiteral;
  readonly context: EntityContext;
  readonly holder: object;
  readonly property: string;
}

/** Beyond this a result is no page of data; better refused than walked for seconds. */
const MAX_NODES = 1_000_000;

/**
 * Every consistent entity reachable from `root` through arrays and objects. An entity that stands in several places
 * yields a site for each. Getters are not called; buffers, dates, streams and the like are not entered.
 */
export function collectEntities(
  root: object,
  contextOf: (instance: object) => EntityContext | undefined,
): EntitySite[] {
  const sites: EntitySite[] = [];
  const entered = new Set<object>([root]);
  const stack: object[] = [root];
  let nodes = 0;
  for (let holder = stack.pop(); holder; holder = stack.pop()) {
    for (const property of Object.keys(holder)) {
      const value = ownValue(holder, property);
      if (typeof value !== 'object' || value === null || !isContainer(value)) continue;
      if (++nodes > MAX_NODES) {
        throw new ReadUnsettledError(`A result with more than ${MAX_NODES} objects is not repaired; read it in pages.`);
      }
      const context = Array.isArray(value) ? undefined : contextOf(value);
      if (context) sites.push({ entity: value as ObjectLiteral, context, holder, property });
      if (!entered.has(value)) {
        entered.add(value);
        stack.push(value);
      }
    }
  }
  return sites;
}

function ownValue(holder: object, property: string): unknown {
  if (Array.isArray(holder)) return holder[Number(property)] as unknown;
  return Object.getOwnPropertyDescriptor(holder, property)?.value as unknown;
}

function isContainer(value: object): boolean {
  if (Array.isArray(value)) return true;
  return !(
    ArrayBuffer.isView(value) ||
    value instanceof ArrayBuffer ||
    value instanceof Date ||
    value instanceof RegExp ||
    value instanceof Promise ||
    value instanceof Error ||
    value instanceof EventEmitter
  );
}
