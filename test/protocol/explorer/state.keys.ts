import type { State } from './state.js';

/**
 * Remembers which states were seen, exactly. Every part of a state is numbered once, and the state's key is one character
 * for each part: parts are shared between states, so this is far less than a text for each.
 */
export class StateKeys {
  private readonly seen = new Set<string>();
  private readonly numbers = new Map<string, number>();
  private readonly number = Symbol('number');

  isNew(state: State): boolean {
    const { clock, row, document, messages, flips, processes, history } = state;
    const parts = [
      this.text(history.key),
      row ? this.part(row) : 0,
      this.part(document),
      this.text(
        messages
          .map((message) => this.part(message))
          .sort((a, b) => a - b)
          .join(),
      ),
      this.text(`${clock}:${flips.toSorted((a, b) => a - b).join()}`),
      ...processes.map((process) => this.part(process)),
    ];
    const key = String.fromCharCode(...parts.flatMap((part) => [part & 0xffff, part >>> 16]));
    if (this.seen.has(key)) return false;
    this.seen.add(key);
    return true;
  }

  private part(part: object): number {
    const known = (part as Record<symbol, number | undefined>)[this.number];
    if (known !== undefined) return known;
    const number = this.text(JSON.stringify(part));
    // On the part itself, as millions of entries in a WeakMap are slow; not enumerable, so that copies do not inherit it.
    Object.defineProperty(part, this.number, { value: number });
    return number;
  }

  private text(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    const number = this.numbers.size + 1;
    this.numbers.set(text, number);
    return number;
  }
}
