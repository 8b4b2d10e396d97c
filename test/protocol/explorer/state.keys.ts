import type { LogEntry, Work } from './backstop.state.js';
import type { History, Image } from './history.js';
import type { Document, Message, Process, Row, Settling, Spec, State } from './state.js';
import { imageOf } from './state.js';

/** Another naming of the processes, and of the images that they write, under which a scenario stays the same. */
export interface Renaming {
  readonly process: (process: number) => number;
  readonly image: (image: Image) => Image;
  /** The process that gets each place: the inverse of `process`. */
  readonly order: readonly number[];
}

/** The numbers of one part of a state, under each renaming. */
type Numbers = readonly number[];

/** Lets a class of ours add a private field to an object that it did not make. */
class Given {
  constructor(part: object) {
    return part;
  }
}

/** On the part itself, as millions of entries in a WeakMap are slow; in a private field, which copies do not inherit. */
class Stamp extends Given {
  readonly #numbers: Numbers;

  constructor(part: object, numbers: Numbers) {
    super(part);
    this.#numbers = numbers;
  }

  static on(part: object): Numbers | undefined {
    return #numbers in part ? part.#numbers : undefined;
  }
}

/**
 * Remembers which states were seen, exactly. Every part of a state is numbered once, and a state's key is about one
 * character for each part. States that differ only in which of two writers (readers, sweepers) of a kind is which are
 * one: of the keys under all renamings, the smallest counts.
 */
export class StateKeys {
  private readonly seen = new Set<string>();
  private readonly numbers = new Map<string, number>();
  private readonly parts = new Map<string, Numbers>();
  private readonly histories = new Map<History, Numbers>();
  private readonly renamings: readonly Renaming[];

  private readonly logged: boolean;

  constructor(
    specs: readonly Spec[],
    private readonly anyClock = false,
  ) {
    this.logged = specs.some(({ kind }) => kind === 'backstop');
    this.renamings = renamings(specs);
  }

  isNew(state: State): boolean {
    const { clock, flips, log } = state;
    const history = this.ofHistory(state.history);
    const row = state.row && this.of(state.row, rowText);
    const document = this.of(state.document, documentText);
    const messages = state.messages.map((message) => this.of(message, this.messageText));
    const processes = state.processes.map((process) => this.of(process, this.processText));
    const rest = flips.length === 0 ? clock : this.number(`f${clock}:${flips.toSorted((a, b) => a - b).join()}`) + 64;
    const entries = log.map((entry) => this.of(entry, logText));
    let key = '';
    this.renamings.forEach(({ order }, at) => {
      const codes: number[] = [];
      push(codes, history[at]!);
      push(codes, row ? row[at]! : 0);
      push(codes, document[at]!);
      push(codes, rest);
      for (const process of order) push(codes, processes[process]![at]!);
      if (this.anyClock) push(codes, state.used);
      if (this.logged) {
        push(codes, 1 + log.length * 64 + state.done * 8 + state.faults);
        for (const entry of entries) push(codes, entry[at]!);
      }
      // Last, as their number varies.
      if (messages.length === 1) push(codes, messages[0]![at]!);
      else if (messages.length > 1) {
        for (const number of messages.map((one) => one[at]!).sort((a, b) => a - b)) push(codes, number);
      }
      const renamed = String.fromCharCode.apply(null, codes);
      if (at === 0 || renamed < key) key = renamed;
    });
    if (this.seen.has(key)) return false;
    this.seen.add(key);
    return true;
  }

  private of<Part extends object>(part: Part, text: (part: Part, renaming: Renaming) => string): Numbers {
    const known = Stamp.on(part);
    if (known) return known;
    const own = text(part, this.renamings[0]!);
    let numbers = this.parts.get(own);
    if (!numbers) {
      numbers = this.renamings.map((renaming) => this.number(text(part, renaming)));
      this.parts.set(own, numbers);
    }
    new Stamp(part, numbers);
    return numbers;
  }

  private ofHistory(history: History): Numbers {
    let numbers = this.histories.get(history);
    if (!numbers) {
      numbers = this.renamings.map((renaming) => this.number(`h${history.renamed(renaming)}`));
      this.histories.set(history, numbers);
    }
    return numbers;
  }

  private number(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    const number = this.numbers.size + 1;
    this.numbers.set(text, number);
    return number;
  }

  private readonly messageText = (message: Message, { image, process }: Renaming): string => {
    const { sender, version, restored, abandoned, duplicated, answer } = message;
    const whose = sender < 0 ? sender : process(sender);
    return `m${whose},${version},${image(message.image)},${restored},${abandoned},${duplicated},${answer}`;
  };

  private readonly processText = (
    { at, version, tries, doubtful, settling, work }: Process,
    renaming: Renaming,
  ): string =>
    `p${at},${version},${tries},${doubtful},${settling ? settlingText(settling, renaming) : ''}${work ? workText(work, renaming) : ''}`;
}

/** Numbers below 2^15 are one character, others two. */
function push(codes: number[], number: number): void {
  if (number < 0x8000) codes.push(number);
  else codes.push(0x8000 | (number >>> 15), number & 0x7fff);
}

function rowText(row: Row, { image }: Renaming): string {
  const { pending } = row;
  if (!pending) return `r${image(row.image)},${row.version}`;
  const { operation, next, before, decider, previous, parked, unchanged } = pending;
  return `r${image(row.image)},${row.version},${operation},${next},${before},${decider},${image(previous)},${parked},${unchanged ?? ''}`;
}

function documentText(document: Document, { image }: Renaming): string {
  return `d${image(document.image)},${document.version},${document.restored}`;
}

function logText({ verdict, mark, image, committedAt }: LogEntry, renaming: Renaming): string {
  return `l${verdict},${mark.state},${mark.version},${mark.operation},${renaming.image(image)},${committedAt}`;
}

function workText({ at, own, mark, conflicted, version, restored, image, sent }: Work, renaming: Renaming): string {
  const about = mark ? `${mark.state}${mark.version}${mark.operation}` : '';
  return `w${at},${own},${about},${conflicted},${version},${restored},${renaming.image(image)},${sent}`;
}

function settlingText(settling: Settling, renaming: Renaming): string {
  const { purpose, at, row, expired, version, conflicted, reread, superseded, fenced, slot, claimed, theirs } =
    settling;
  const seen = slot ? (slot.found ? `${slot.version}+${slot.restored}` : 'none') : '';
  const flags = `${expired},${version},${conflicted},${reread},${superseded},${fenced}`;
  return `${purpose},${at},${flags},${seen},${claimed},${theirs},${row ? rowText(row, renaming) : ''}`;
}

/** The identity first. Processes of one kind may change places, and so do the images that they write. */
function renamings(specs: readonly Spec[]): Renaming[] {
  const orders = permutations(specs.map((_, at) => at)).filter((order) =>
    order.every((process, place) => specs[process]!.kind === specs[place]!.kind),
  );
  return orders.map((order) => {
    const images = new Map<Image, Image>();
    order.forEach((process, place) => {
      const image = imageOf(specs[process]!);
      if (image !== null) images.set(image, imageOf(specs[place]!));
    });
    return {
      order,
      process: (process) => order.indexOf(process),
      image: (image) => images.get(image) ?? image,
    };
  });
}

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((others) => [item, ...others]),
  );
}
