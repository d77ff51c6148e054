// The models that split a word into pieces of a vocabulary: WordPiece, byte-pair encoding, Unigram, whole words.
// Each is (chars) -> [[id, start, end], ...], places in code points.

import { made } from "./steps.js";

// SentencePiece's penalty for a character that no piece has
const UNKNOWN_PENALTY = 10;

/** Pieces by id, and ids by piece. */
class Vocabulary {
  constructor(entries) {
    this.ids = new Map(entries);
    this.longest = entries.reduce((most, [piece]) => Math.max(most, Array.from(piece).length), 0);
  }
}

function wordPiece({ vocab, unk_token: unknown, continuing_subword_prefix: prefix, max_input_chars_per_word: most }) {
  const { ids, longest } = new Vocabulary(Object.entries(vocab));
  return (chars) => {
    const whole = [[ids.get(unknown), 0, chars.length]];
    if (chars.length > most) return whole;
    const pieces = [];
    for (let start = 0; start < chars.length; ) {
      let end = Math.min(chars.length, start + longest);
      let id;
      for (; end > start; end -= 1) {
        id = ids.get((start ? prefix : "") + chars.slice(start, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return whole;
      pieces.push([id, start, end]);
      start = end;
    }
    return pieces;
  };
}

const byteNames = (text) =>
  Array.from(new TextEncoder().encode(text), (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);

/**
 * A score as the package reads it: digits as a whole number, then one division or product. The last bit may differ
 * from the nearest double, and decides between two ways of the same pieces in another order.
 */
function scoreOf(value) {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(String(value));
  const power = Number(exponent) - fraction.length;
  const digits = Number(BigInt(whole + fraction));
  const size = power < 0 ? digits / 10 ** -power : digits * 10 ** power;
  return sign ? -size : size;
}

function unigram({ vocab, unk_id: unknown, byte_fallback: fallback }) {
  const scores = new Map(vocab.map(([piece, score], id) => [piece, [id, scoreOf(score)]]));
  const { longest } = new Vocabulary(vocab);
  const lowest = vocab.reduce((least, [, score]) => Math.min(least, scoreOf(score)), Infinity) - UNKNOWN_PENALTY;

  // the best way to each place: its score, where its last piece starts, and that piece
  function bestWays(chars) {
    const ways = [{ score: 0, start: 0, id: null }, ...chars.map(() => null)];
    for (let start = 0; start < chars.length; start += 1) {
      const reach = (end, id, score) => {
        const total = ways[start].score + score;
        if (ways[end] === null || total > ways[end].score) ways[end] = { score: total, start, id };
      };
      let single = false;
      let piece = "";
      for (let end = start + 1; end <= Math.min(chars.length, start + longest); end += 1) {
        piece += chars[end - 1];
        const known = scores.get(piece);
        if (known) reach(end, ...known);
        if (known && end === start + 1) single = true;
      }
      if (!single) reach(start + 1, unknown, lowest);
    }
    return ways;
  }

  // neighbours that no piece has are one unknown piece, or the bytes of it
  function fused(pieces, chars) {
    const kept = [];
    for (const [id, start, end] of pieces) {
      const before = kept.at(-1);
      if (id === unknown && before?.[0] === unknown) before[2] = end;
      else kept.push([id, start, end]);
    }
    if (!fallback) return kept;
    return kept.flatMap(([id, start, end]) => {
      const bytes = scores.has(chars.slice(start, end).join("")) ? [] : byteNames(chars.slice(start, end).join(""));
      return bytes.length && bytes.every((name) => scores.has(name))
        ? bytes.map((name) => [scores.get(name)[0], start, end])
        : [[id, start, end]];
    });
  }

  return (chars) => {
    const ways = bestWays(chars);
    const pieces = [];
    for (let end = chars.length; end > 0; end = ways[end].start) pieces.push([ways[end].id, ways[end].start, end]);
    return fused(pieces.reverse(), chars);
  };
}

function bytePair(model) {
  const { vocab, merges, unk_token: unknown, end_of_word_suffix: suffix, fuse_unk: fuses } = model;
  const { byte_fallback: fallback, ignore_merges: takesWhole } = model;
  const { ids } = new Vocabulary(Object.entries(vocab));
  const pairs = merges.map((merge) => (Array.isArray(merge) ? merge : merge.split(" ")));
  const ranks = new Map(pairs.map(([left, right], rank) => [`${left} ${right}`, rank]));

  function symbols(chars) {
    const found = [];
    chars.forEach((char, at) => {
      const piece = char + (suffix && at === chars.length - 1 ? suffix : "");
      const bytes = fallback && !ids.has(piece) ? byteNames(piece) : [];
      if (ids.has(piece)) found.push({ piece, start: at, end: at + 1 });
      else if (bytes.length && bytes.every((name) => ids.has(name))) {
        found.push(...bytes.map((name) => ({ piece: name, start: at, end: at + 1 })));
      } else if (unknown !== null && unknown !== undefined) {
        const before = found.at(-1);
        if (fuses && before?.piece === unknown && before.unknown) before.end = at + 1;
        else found.push({ piece: unknown, start: at, end: at + 1, unknown: true });
      }
    });
    return found;
  }

  return (chars) => {
    const word = chars.join("");
    if (takesWhole && ids.has(word)) return [[ids.get(word), 0, chars.length]];
    const found = symbols(chars);
    for (;;) {
      let [best, place] = [Infinity, -1];
      for (let at = 0; at + 1 < found.length; at += 1) {
        const rank = ranks.get(`${found[at].piece} ${found[at + 1].piece}`);
        if (rank < best) [best, place] = [rank, at];
      }
      if (place < 0) break;
      const [left, right] = found.splice(place, 2);
      found.splice(place, 0, { piece: left.piece + right.piece, start: left.start, end: right.end });
    }
    return found.map(({ piece, start, end }) => [ids.get(piece), start, end]);
  };
}

function wordLevel({ vocab, unk_token: unknown }) {
  const { ids } = new Vocabulary(Object.entries(vocab));
  return (chars) => [[ids.get(chars.join("")) ?? ids.get(unknown), 0, chars.length]];
}

const KINDS = { BPE: bytePair, Unigram: unigram, WordLevel: wordLevel, WordPiece: wordPiece };

/** The function of a tokenizer.json's model. */
export function modelOf(data) {
  return made(KINDS, "model", data);
}

/** The pieces of a tokenizer.json by id. */
export function piecesOf({ model, added_tokens: added }) {
  const pieces = Array.isArray(model.vocab)
    ? model.vocab.map(([piece]) => piece)
    : Object.entries(model.vocab).reduce((all, [piece, id]) => ((all[id] = piece), all), []);
  for (const { id, content } of added) pieces[id] = content;
  return pieces;
}
