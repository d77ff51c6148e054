/** One turn of a conversation. */
export interface Turn {
  speaker: string;
  text: string;
}

/**
 * A text, the two texts of a pair as a list or by the manifest's columns, or turns whose last one is decided. Where the next turn
 * is decided, it is the last of the list, and its text is not read.
 */
export type Row = string | [string, string] | Record<string, string> | Turn[];

export type Reason = "unsure" | "unreadable" | "truncated" | "crisis word" | "out of domain" | "floor";

/** The decision on one text. */
export interface Prediction {
  /** The decided labels; none where the bundle abstains. */
  labels: string[];
  /** The score of every label, in [0, 1]. */
  scores: Record<string, number>;
  /** The probability that the decision is exactly right, as the calibrated scores have it. */
  confidence: number;
  /** Whether a person should decide instead. */
  abstained: boolean;
  /** Reasons for which a person should read the text. */
  handedOver: Reason[];
  /** The labels that cannot be excluded; null where the bundle has no prediction sets. */
  possible: string[] | null;
  /** Whether the text's end was cut off unread. */
  truncated: boolean;
  /** Of turns, the number of turns before the decided one that were read. */
  context?: number;
}

/** The effect of one word on a label's score; places are in code points, not in UTF-16 units. */
export interface WordEffect {
  segment: number;
  start: number;
  end: number;
  /** The score minus the score without the word, in [-1, 1]. */
  change: number;
  /** The same with a mask in its place; null where the vocabulary has none. */
  maskedChange: number | null;
  /** Labels that are decided in addition, or no longer, without the word. */
  gained: string[];
  lost: string[];
}

export interface Explanation {
  label: string;
  score: number;
  decided: boolean;
  prediction: Prediction;
  words: WordEffect[];
}

export interface LoadOptions {
  /** The manifest's sha256, to pin the bundle. */
  manifestSha256?: string;
  /** The module of onnxruntime-web; by default ort.wasm.min.mjs beside distill.js, or the npm package. */
  runtime?: unknown;
  /** Function that reads a file; by default fetch, and in Node the file system for paths. */
  read?: (url: URL) => Promise<Uint8Array>;
}

/** Open the bundle in a folder, in Node also by its path; every file is checked against its hash in the manifest. */
export function load(folder: string | URL, options?: LoadOptions): Promise<Classifier>;

export class Classifier {
  private constructor();
  readonly manifest: Record<string, unknown>;
  readonly labels: string[];
  /** Token ids, as the graph gets them. */
  ids(row: Row): number[];
  /** Calibrated logits, one per label. */
  logits(row: Row): Promise<number[]>;
  predict(row: Row): Promise<Prediction>;
  predict(rows: Row[]): Promise<Prediction[]>;
  /**
   * One entry per turn of a conversation; null for roles that the bundle does not decide, and for all turns but the last with a
   * text where it decides whole conversations.
   */
  predictTurns(turns: Turn[]): Promise<(Prediction | null)[]>;
  /** The words that the model used for one label; by default for the decision. */
  explain(row: Row, label?: string): Promise<Explanation>;
  /** Whether this browser gives the ids and logits of the bundle's self-test. */
  verify(): Promise<boolean>;
}
