/** One key as a client may see it: no row, or a row that has a document unless it is unlisted or softly deleted. */
export type ItemState = null | { readonly value: string; readonly listed: boolean; readonly deleted: boolean };

/** What a client asked for. `cas` is an update with the version of the row that it read before (`expected`). */
export type WriteKind = 'insert' | 'save' | 'update' | 'list' | 'cas' | 'remove' | 'softRemove' | 'recover';

/**
 * `row`: the whole row. `live`: a read that leaves softly deleted rows out. `document`: the index, by id.
 * `exists` and `missing`: what a duplicate key or a RowNotFoundError tells about the row.
 */
export type ReadKind = 'row' | 'live' | 'document' | 'exists' | 'missing';

export interface ItemWrite {
  readonly kind: WriteKind;
  /** Unique in the whole run. */
  readonly value: string;
  readonly listed: boolean;
  readonly expected?: ItemState;
}

export interface ItemRead {
  readonly kind: ReadKind;
  /** What was seen. Of a document only the value counts. */
  readonly seen: ItemState;
}

export type ItemAction = ItemWrite | ItemRead;

export function isWrite(action: ItemAction): action is ItemWrite {
  return 'value' in action;
}

export const hasDocument = (state: ItemState): boolean => state !== null && state.listed && !state.deleted;

/** The state after the action, or undefined where it cannot have succeeded in this state. A read changes nothing. */
export function stepItem(state: ItemState, action: ItemAction): ItemState | undefined {
  if (!isWrite(action)) return agrees(state, action) ? state : undefined;
  const { kind, value, listed } = action;
  if (kind === 'insert') return state === null ? { value, listed, deleted: false } : undefined;
  if (kind === 'save') return { value, listed, deleted: state?.deleted ?? false };
  if (state === null) return undefined;
  switch (kind) {
    case 'update':
      return { ...state, value };
    case 'cas':
      return sameItem(state, action.expected ?? null) ? { ...state, value } : undefined;
    case 'list':
      return { ...state, value, listed };
    case 'remove':
      return null;
    case 'softRemove':
      return { ...state, deleted: true };
    case 'recover':
      return { ...state, deleted: false };
  }
}

function agrees(state: ItemState, { kind, seen }: ItemRead): boolean {
  switch (kind) {
    case 'row':
      return sameItem(state, seen);
    case 'live':
      return sameItem(state?.deleted ? null : state, seen);
    case 'document':
      return hasDocument(state) ? state?.value === seen?.value : seen === null;
    case 'exists':
      return state !== null;
    case 'missing':
      return state === null;
  }
}

export function sameItem(a: ItemState, b: ItemState): boolean {
  return itemText(a) === itemText(b);
}

/** Unique for each state, and readable. */
export function itemText(state: ItemState): string {
  if (state === null) return 'absent';
  return `${state.value}${state.listed ? '' : ' unlisted'}${state.deleted ? ' deleted' : ''}`;
}
