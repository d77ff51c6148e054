// The regular expressions of tokenizers.

/** The pattern of GPT-2; \s of a browser is not the white space of Unicode. */
export const GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
/** Words, and runs of what is none. */
export const WORDS =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_C}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_C}\p{White_Space}]+/gu;

/** A text as a pattern that matches it alone. */
export const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The pattern of a tokenizer.json, a literal string or one of the two regular expressions that a bundle may have. */
export function patternOf({ String: text, Regex: regex }) {
  if (regex === undefined) return new RegExp(escaped(text), "gu");
  return regex === " {2,}" ? / {2,}/gu : GPT2;
}
