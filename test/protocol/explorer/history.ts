/**
 * Linearizability of one key, checked while the history happens. Instead of the history it keeps what matters of it for
 * the future: every configuration that some order of the operations so far can have led to. Two histories with the same
 * configurations are one state of the search.
 *
 * A configuration is the register's value, which of the open writes have taken effect, and for each open operation the
 * values that the register has had since it began. A write of unknown outcome stays open for ever.
 */

/** A row's image: null for no row, `SOFT + n` for a soft-deleted one (no document). */
export type Image = number | null;
export const SOFT = 100;

/** What an index reader sees of an image. */
export const documentOf = (image: Image): Image => (image === null || image >= SOFT ? null : image);

/** How an operation ended, as its caller was told. */
export type Ending =
  | 'done'
  /** Certainly without effect. */
  | 'failed'
  | 'unknown'
  /** Without effect, because there was no row, or because there was one. */
  | { readonly saw: 'nothing' | 'something' }
  | { readonly row: Image }
  | { readonly document: Image };

/** What the histories of one search share. */
interface Shared {
  readonly effects: readonly (Effect | undefined)[];
  readonly known: Map<string, History>;
}

/** The effect of each process's write on the register; undefined where it does not apply. Readers have none. */
export type Effect = (value: Image) => Image | undefined;

type Rename = (process: number) => number;

interface Configuration {
  readonly value: Image;
  /** Bits of the open writes that have taken effect. */
  readonly effected: number;
  /** For each process: the values since it began, or null while it is not open. */
  readonly seen: readonly (readonly Image[] | null)[];
}

export class History {
  private readonly steps = new Map<string, History | null>();

  private constructor(
    private readonly shared: Shared,
    private readonly open: number,
    private readonly configurations: readonly Configuration[],
    /** The same for histories that differ in nothing that matters. */
    readonly key: string,
  ) {}

  static start(effects: Shared['effects'], value: Image): History {
    const first = { value, effected: 0, seen: effects.map(() => null) };
    return History.of({ effects, known: new Map() }, 0, [first]);
  }

  /** With everything that the open writes can have led to by now. */
  private static of(shared: Shared, open: number, configurations: readonly Configuration[]): History {
    const all = new Map<string, Configuration>();
    const add = (configuration: Configuration): void => {
      const key = keyOf(configuration);
      if (all.has(key)) return;
      all.set(key, configuration);
      shared.effects.forEach((effect, process) => {
        const bit = 1 << process;
        if (!effect || !(open & bit) || configuration.effected & bit) return;
        const value = effect(configuration.value);
        if (value === undefined) return;
        const seen = configuration.seen.map((one) => withValue(one, value));
        add({ value, effected: configuration.effected | bit, seen });
      });
    };
    configurations.forEach(add);
    const key = `${open}:${[...all.keys()].sort().join(';')}`;
    const known = shared.known.get(key) ?? new History(shared, open, [...all.values()], key);
    shared.known.set(key, known);
    return known;
  }

  begin(process: number): History {
    return this.step(`${process}`, () => {
      const open = this.open | (1 << process);
      return this.with(open, (one) => ({ ...one, seen: one.seen.with(process, [one.value]) }));
    })!;
  }

  /** Null when no order of the operations explains this ending: not linearizable. */
  end(process: number, ending: Ending): History | null {
    return this.step(`${process} ${JSON.stringify(ending)}`, () => this.ended(process, ending));
  }

  private ended(process: number, ending: Ending): History | null {
    const bit = 1 << process;
    if (ending === 'unknown') return this.with(this.open, (one) => ({ ...one, seen: one.seen.with(process, null) }));
    const possible = this.configurations.filter((one) => explains(one, process, ending));
    if (possible.length === 0) return null;
    return History.of(
      this.shared,
      this.open & ~bit,
      possible.map((one) => ({ ...one, effected: one.effected & ~bit, seen: one.seen.with(process, null) })),
    );
  }

  /** Can the register hold this value now? */
  allows(value: Image): boolean {
    return this.configurations.some((one) => one.value === value);
  }

  /** Its key, had the processes and the images they write other names. */
  renamed({ order, process, image }: { order: readonly number[]; process: Rename; image: (image: Image) => Image }) {
    const bits = (given: number): number =>
      order.reduce((sum, _, at) => (given & (1 << at) ? sum | (1 << process(at)) : sum), 0);
    const keys = this.configurations.map(({ value, effected, seen }) =>
      keyOf({
        value: image(value),
        effected: bits(effected),
        seen: order.map((at) => seen[at]?.map(image).sort(ascending) ?? null),
      }),
    );
    return `${bits(this.open)}:${keys.sort().join(';')}`;
  }

  private step(name: string, make: () => History | null): History | null {
    let next = this.steps.get(name);
    if (next === undefined) this.steps.set(name, (next = make()));
    return next;
  }

  private with(open: number, change: (one: Configuration) => Configuration): History {
    return History.of(this.shared, open, this.configurations.map(change));
  }
}

function explains({ effected, seen }: Configuration, process: number, ending: Exclude<Ending, 'unknown'>): boolean {
  const took = (effected & (1 << process)) !== 0;
  if (ending === 'done') return took;
  if (took) return false;
  const values = seen[process] ?? [];
  if (ending === 'failed') return true;
  if ('saw' in ending) return values.some((value) => (value === null) === (ending.saw === 'nothing'));
  if ('row' in ending) return values.includes(ending.row);
  return values.some((value) => documentOf(value) === ending.document);
}

function withValue(seen: readonly Image[] | null, value: Image): readonly Image[] | null {
  if (seen === null || seen.includes(value)) return seen;
  return [...seen, value].sort(ascending);
}

const ascending = (a: Image, b: Image): number => (a ?? -1) - (b ?? -1);

function keyOf({ value, effected, seen }: Configuration): string {
  return `${value},${effected},${seen.map((one) => (one === null ? '' : one.join('+') || 'n')).join('/')}`;
}
