// The steps that split a text into words, as the tokenizers package takes them. Each is (span, isFirst) -> spans.

import { GPT2, patternOf, WORDS } from "./patterns.js";
import { mapped, matches, prefixed, range, slice } from "./spans.js";
import { made } from "./steps.js";
import { PUNCTUATION } from "./unicode.js";

const WHITE_SPACE = /^\p{White_Space}$/u;
/** Cut a span where matches begin and end; `behavior` says what becomes of a match, as in tokenizer.json. */
function cut(span, places, behavior) {
  const parts = [];
  let last = 0;
  for (const [start, end] of places) {
    if (start > last) parts.push([last, start, false]);
    if (end > start) parts.push([start, end, true]);
    last = end;
  }
  if (last < span.chars.length) parts.push([last, span.chars.length, false]);
  const kept = [];
  for (const [start, end, matched] of parts) {
    const before = kept.at(-1);
    const joins =
      before &&
      ((behavior === "MergedWithPrevious" && matched && !before[2]) ||
        (behavior === "MergedWithNext" && before[2] && !matched) ||
        (behavior === "Contiguous" && matched === before[2]));
    if (joins) [before[1], before[2]] = [end, behavior === "Contiguous" ? matched : true];
    else if (!(matched && behavior === "Removed")) kept.push([start, end, matched]);
  }
  return kept.map(([start, end]) => slice(span, start, end));
}

function* singles(span, isOne) {
  for (let at = 0; at < span.chars.length; at += 1) if (isOne(span.chars[at])) yield [at, at + 1];
}

const whiteSpace = (span) => cut(span, [...singles(span, (char) => WHITE_SPACE.test(char))], "Removed");

function bert(span) {
  return whiteSpace(span).flatMap((word) =>
    cut(word, [...singles(word, (char) => PUNCTUATION.test(char))], "Isolated"),
  );
}

// the printable character for each byte, as GPT-2 has them
const BYTES = (() => {
  const shown = [...range(33, 127), ...range(161, 173), ...range(174, 256)];
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(shown.includes(byte) ? byte : next++));
})();

function byteLevel({ add_prefix_space: prefix, use_regex: regex }) {
  const encoder = new TextEncoder();
  return (span) => {
    const padded = prefix && span.chars.length && span.chars[0] !== " " ? prefixed(span, [" "]) : span;
    const words = regex === false ? [padded] : cut(padded, [...matches(padded, GPT2)], "Isolated");
    return words.map((word) => mapped(word, (char) => Array.from(encoder.encode(char), (byte) => BYTES[byte])));
  };
}

function metaspace({ replacement, prepend_scheme: scheme = "always", split = true }) {
  return (span, isFirst) => {
    let marked = mapped(span, (char) => [char === " " ? replacement : char]);
    const prepends = scheme === "always" || (scheme === "first" && isFirst);
    if (prepends && marked.chars.length && marked.chars[0] !== replacement) marked = prefixed(marked, [replacement]);
    return split ? cut(marked, [...singles(marked, (char) => char === replacement)], "MergedWithNext") : [marked];
  };
}

function chained(steps) {
  return (span, isFirst) =>
    steps.reduce((spans, step) => spans.flatMap((one, at) => step(one, isFirst && at === 0)), [span]);
}

const KINDS = {
  BertPreTokenizer: () => bert,
  ByteLevel: byteLevel,
  Digits: ({ individual_digits: single }) => (span) =>
    single
      ? cut(span, [...singles(span, (char) => /^\p{N}$/u.test(char))], "Isolated")
      : cut(span, [...matches(span, /\p{N}+/gu)], "Contiguous"),
  Metaspace: metaspace,
  Punctuation: ({ behavior }) => (span) =>
    cut(span, [...singles(span, (char) => PUNCTUATION.test(char))], behavior ?? "Isolated"),
  Sequence: ({ pretokenizers }) => chained(pretokenizers.map(splitterOf)),
  Split: ({ pattern, behavior, invert }) => {
    const searched = patternOf(pattern);
    return (span) => {
      const places = [...matches(span, searched)];
      return cut(span, invert ? gaps(span, places) : places, behavior);
    };
  },
  Whitespace: () => (span) => cut(span, gaps(span, [...matches(span, WORDS)]), "Removed"),
  WhitespaceSplit: () => whiteSpace,
};

function gaps(span, places) {
  const edges = [0, ...places.flat(), span.chars.length];
  return range(0, edges.length / 2).map((at) => [edges[2 * at], edges[2 * at + 1]]);
}

/** The function of a tokenizer.json's pre_tokenizer; that of null splits nothing. */
export function splitterOf(data) {
  if (data === null || data === undefined) return (span) => [span];
  return made(KINDS, "step", data);
}
