/** The first batch tells how large rows are. */
const FIRST_ROWS = 100;
/** Of documents in one batch. */
const BATCH_CHARACTERS = 8 * 1024 * 1024;

/** How many rows a walk takes at once: fewer where their documents are large. */
export class BatchSize {
  private charactersPerRow = 0;

  constructor(private readonly maxRows: number) {}

  /** Of a walk's first batch. */
  get first(): number {
    return Math.min(FIRST_ROWS, this.maxRows);
  }

  /** Of every later one. */
  get next(): number {
    if (this.charactersPerRow === 0) return this.maxRows;
    return Math.max(1, Math.min(this.maxRows, Math.floor(BATCH_CHARACTERS / this.charactersPerRow)));
  }

  /** Tells what the documents of a batch came to. */
  measure(rows: number, characters: number): void {
    this.charactersPerRow = characters / rows;
  }
}
