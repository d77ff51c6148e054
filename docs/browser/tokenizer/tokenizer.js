// A tokenizer.json in JavaScript: the same ids as the tokenizers package gives, with offsets in code points.

import { modelOf, piecesOf } from "./models.js";
import { normalizerOf } from "./normalizers.js";
import { escaped } from "./patterns.js";
import { matches, slice, spanOf, textOf } from "./spans.js";
import { splitterOf } from "./splitters.js";
import { unknownStep } from "./steps.js";

/** The part of a template around and between segments, with token types: {special} or {segment}. */
function templateOf(data, isPair) {
  if (data === null || data === undefined) return [0, ...(isPair ? [1] : [])].map((segment) => ({ segment, type: segment }));
  switch (data.type) {
    case "TemplateProcessing":
      return data[isPair ? "pair" : "single"].flatMap((part) => {
        if (part.Sequence) return [{ segment: part.Sequence.id === "A" ? 0 : 1, type: part.Sequence.type_id }];
        const { ids } = data.special_tokens[part.SpecialToken.id];
        return ids.map((special) => ({ special, type: part.SpecialToken.type_id }));
      });
    case "BertProcessing":
    case "RobertaProcessing": {
      const [start, end] = [{ special: data.cls[1], type: 0 }, (type) => ({ special: data.sep[1], type })];
      const isRoberta = data.type === "RobertaProcessing";
      const second = isRoberta ? [end(0), { segment: 1, type: 0 }, end(0)] : [{ segment: 1, type: 1 }, end(1)];
      return [start, { segment: 0, type: 0 }, end(0), ...(isPair ? second : [])];
    }
    case "ByteLevel":
      return templateOf(null, isPair);
    case "Sequence": {
      const inner = data.processors.find(({ type }) => type !== "ByteLevel");
      return templateOf(inner ?? null, isPair);
    }
    default:
      throw unknownStep("step", data.type);
  }
}

/** Function that takes blanks at a token's ends out of its place, where a byte-level post-processor does so. */
function trimmerOf(data) {
  const steps = data?.type === "Sequence" ? data.processors : [data];
  const step = steps.find((one) => ["ByteLevel", "RobertaProcessing"].includes(one?.type) && one.trim_offsets);
  if (!step) return (token) => token;
  const isBlank = (char) => char === "Ġ" || /^\p{White_Space}$/u.test(char);
  return (token, piece, isFirst) => {
    const chars = Array.from(piece);
    let leading = chars.findIndex((char) => !isBlank(char));
    if (leading < 0) leading = chars.length;
    const trailing = chars.length - 1 - chars.findLastIndex((char) => !isBlank(char));
    if (leading && (isFirst || token.start === 0) && step.add_prefix_space) leading -= 1;
    const start = Math.min(token.start + leading, token.end);
    return { ...token, start, end: Math.max(token.end - trailing, start) };
  };
}

export class Tokenizer {
  #normalize;
  #split;
  #model;
  #raw;
  #normalized;
  #trimmed;

  /** @param {object} data a parsed tokenizer.json */
  constructor(data) {
    this.#normalize = normalizerOf(data.normalizer);
    this.#split = splitterOf(data.pre_tokenizer);
    this.#model = modelOf(data.model);
    const added = data.added_tokens ?? [];
    this.#raw = this.#finder(added.filter(({ normalized }) => !normalized), (content) => content);
    this.#normalized = this.#finder(
      added.filter(({ normalized }) => normalized),
      (content) => textOf(this.#normalize(spanOf(content))),
    );
    this.#trimmed = trimmerOf(data.post_processor);
    this.pieces = piecesOf(data);
    this.templates = [templateOf(data.post_processor, false), templateOf(data.post_processor, true)];
    this.direction = data.truncation?.direction === "Left" ? "left" : "right";
    const named = ["[MASK]", "<mask>"].map((mask) => this.pieces.indexOf(mask)).find((id) => id >= 0);
    this.maskId = named ?? null;
  }

  /** The tokens of one segment without special ones around it: [{ id, word, start, end }]. */
  encode(text) {
    const tokens = [];
    let word = 0;
    for (const part of this.#parts(spanOf(text), this.#raw)) {
      const inner = part.id === undefined ? this.#parts(this.#normalize(part.span), this.#normalized) : [part];
      for (const [at, { id, span }] of inner.entries()) {
        if (id !== undefined) {
          tokens.push({ id, word, start: span.from[0], end: span.to.at(-1) });
          word += 1;
          continue;
        }
        for (const one of this.#split(span, part.isFirst && at === 0)) {
          if (!one.chars.length) continue;
          for (const [piece, start, end] of this.#model(one.chars)) {
            tokens.push({ id: piece, word, start: one.from[start], end: one.to[end - 1] });
          }
          word += 1;
        }
      }
    }
    return tokens.map((token, at) => this.#trimmed(token, this.pieces[token.id], at === 0));
  }

  /** Function from a span to places of added tokens in it: [id, start, end]. */
  #finder(added, shown) {
    const byContent = new Map(added.map((token) => [shown(token.content), token]));
    const contents = [...byContent.keys()].sort((left, right) => right.length - left.length);
    if (!contents.length) return () => [];
    const pattern = new RegExp(contents.map(escaped).join("|"), "gu");
    return (span) => {
      const places = [];
      for (let [start, end] of matches(span, pattern)) {
        const token = byContent.get(span.chars.slice(start, end).join(""));
        const isWord = (at) => /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_C}]$/u.test(span.chars[at] ?? " ");
        if (token.single_word && (isWord(start - 1) || isWord(end))) continue;
        const isSpace = (at) => /^\p{White_Space}$/u.test(span.chars[at] ?? "a");
        while (token.lstrip && start > (places.at(-1)?.[2] ?? 0) && isSpace(start - 1)) start -= 1;
        while (token.rstrip && isSpace(end)) end += 1;
        places.push([token.id, start, end]);
      }
      return places;
    };
  }

  /** Cut a span at added tokens: [{ span, id?, isFirst }]. */
  #parts(span, find) {
    const parts = [];
    let last = 0;
    for (const [id, start, end] of find(span)) {
      if (start > last) parts.push({ span: slice(span, last, start), isFirst: last === 0 });
      if (start >= last) parts.push({ id, span: slice(span, start, end), isFirst: false });
      last = Math.max(last, end);
    }
    if (last < span.chars.length) parts.push({ span: slice(span, last, span.chars.length), isFirst: last === 0 });
    return parts;
  }
}
