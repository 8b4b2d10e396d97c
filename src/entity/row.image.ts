/** One state of a row: the exact text of every column by its name in MySQL, null for SQL NULL. */
export type RowImage = Readonly<Record<string, string | null>>;
