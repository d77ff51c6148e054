// The steps that change a text before it is split, as the tokenizers package takes them. Each is span -> span.

import { charsmapOf } from "./charsmap.js";
import { patternOf } from "./patterns.js";
import { append, empty, mapped, matches, prefixed, range, slice, textOf } from "./spans.js";
import { made } from "./steps.js";
import { CONTROL, MARK, NON_SPACING, NOT_DECOMPOSED } from "./unicode.js";

// a Hangul vowel or final of any form, or a halfwidth voice mark, belongs to the letter before it, as marks do
const COMPOSES = /^[\u1160-\u11ff\u3131-\u318e\uff9e-\uffdc]$/u;
const joinsBefore = (char) => MARK.test(char) || COMPOSES.test(char);

// a mark that the package's Unicode does not have yet stays where it is
const isNewMark = (char) => /^\p{M}$/u.test(char) && !MARK.test(char);

const WHITE_SPACE = /^\p{White_Space}$/u;
const CHINESE =
  /^[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]$/u;

function unicode(form) {
  const one = (text) => (form.includes("K") && NOT_DECOMPOSED.test(text) ? text : text.normalize(form));
  return (span) => {
    const result = empty();
    for (let start = 0, end; start < span.chars.length; start = end) {
      end = start + 1;
      while (end < span.chars.length && !isNewMark(span.chars[start]) && joinsBefore(span.chars[end])) end += 1;
      // [character, the place that it is of]
      const singles = range(start, end).flatMap((at) => Array.from(one(span.chars[at]), (char) => [char, at]));
      const whole = singles.map(([char]) => char).join("").normalize(form.replace("K", ""));
      for (const char of whole) {
        const at = singles.findIndex(([single]) => single === char);
        if (at < 0) append(result, [char], span, start, end); // composed
        else append(result, [char], span, singles[at][1], singles.splice(at, 1)[0][1] + 1);
      }
    }
    return result;
  };
}

const lowercase = (span) => mapped(span, (char) => Array.from(char.toLowerCase()));

const without = (marks) => (span) => mapped(span, (char) => (marks.test(char) ? [] : [char]));

function bert({ clean_text: clean, handle_chinese_chars: chinese, strip_accents: strip, lowercase: lower }) {
  const steps = [];
  if (clean) {
    steps.push((span) => mapped(span, (char) => (CONTROL.test(char) ? [] : [WHITE_SPACE.test(char) ? " " : char])));
  }
  if (chinese) steps.push((span) => mapped(span, (char) => (CHINESE.test(char) ? [" ", char, " "] : [char])));
  if (strip ?? lower) steps.push(unicode("NFD"), without(NON_SPACING));
  if (lower) steps.push(lowercase);
  return chain(steps);
}

function replace({ pattern, content }) {
  const searched = patternOf(pattern);
  return (span) => {
    const result = empty();
    let last = 0;
    for (const [start, end] of matches(span, searched)) {
      for (let at = last; at < start; at += 1) append(result, [span.chars[at]], span, at, at + 1);
      append(result, Array.from(content), span, end - 1, end);
      last = end;
    }
    for (let at = last; at < span.chars.length; at += 1) append(result, [span.chars[at]], span, at, at + 1);
    return result;
  };
}

function strip({ strip_left: left, strip_right: right }) {
  return (span) => {
    let [start, end] = [0, span.chars.length];
    while (left && start < end && WHITE_SPACE.test(span.chars[start])) start += 1;
    while (right && end > start && WHITE_SPACE.test(span.chars[end - 1])) end -= 1;
    return slice(span, start, end);
  };
}

function prepend({ prepend: text }) {
  return (span) => (span.chars.length ? prefixed(span, Array.from(text)) : span);
}

const chain = (steps) => (span) => steps.reduce((now, step) => step(now), span);

const KINDS = {
  BertNormalizer: bert,
  Lowercase: () => lowercase,
  NFC: () => unicode("NFC"),
  NFD: () => unicode("NFD"),
  NFKC: () => unicode("NFKC"),
  NFKD: () => unicode("NFKD"),
  Precompiled: ({ precompiled_charsmap: charsmap }) => charsmapOf(charsmap),
  Prepend: prepend,
  Replace: replace,
  Sequence: ({ normalizers }) => chain(normalizers.map(normalizerOf)),
  Strip: strip,
  StripAccents: () => without(MARK),
};

/** The function of a tokenizer.json's normalizer; that of null changes nothing. */
export function normalizerOf(data) {
  if (data === null || data === undefined) return (span) => span;
  return made(KINDS, "normalizer", data);
}
