// What one row is, and which of its tokens the graph reads: the rules of export/runtime/reading/inputs.py.

import { turnsInput } from "./turns.js";

const KINDS = {
  text: {
    segments(input, value, where) {
      if (typeof value !== "string") throw new TypeError(`${where}: The text must be a string.`);
      return [value];
    },
    kept: (input, [length], room) => [Math.min(length, room)],
    side: (input, direction) => (direction === "left" ? "start" : "end"),
  },
  pair: {
    segments(input, value, where) {
      const { columns } = input;
      const pair = Array.isArray(value) ? value : columns.map((column) => value?.[column]);
      if (pair.length !== 2 || !pair.every((segment) => typeof segment === "string")) {
        throw new TypeError(`${where}: This must be a pair of strings (${columns.join(", ")}).`);
      }
      return pair;
    },
    kept(input, lengths, room) {
      if (lengths[0] + lengths[1] <= room) return lengths;
      const { column } = input.truncate;
      const shorter = column === null ? (lengths[0] <= lengths[1] ? 0 : 1) : 1 - input.columns.indexOf(column);
      const kept = Math.min(lengths[shorter], column === null ? Math.floor(room / 2) : room);
      return shorter === 0 ? [kept, room - kept] : [room - kept, kept];
    },
    side: (input) => input.truncate.side,
  },
};

/** The kind of input that a manifest records; a bundle without one reads texts. */
export function inputOf(manifest) {
  const input = manifest.input ?? { kind: "text" };
  if (input.kind === "turns") return turnsInput(input);
  const kind = Object.hasOwn(KINDS, input.kind) ? KINDS[input.kind] : undefined;
  if (!kind) throw new Error(`This bundle reads ${input.kind}, which this page cannot. Use the Python runtime.`);
  return {
    isRow: (value) => input.kind === "pair" && value.length === 2 && value.every((one) => typeof one === "string"),
    segments: (value, where) => kind.segments(input, value, where),
    texts: (segments) => segments,
    /** The row as the graph reads it: { ids, types, tokens, truncated }; special tokens are null in `tokens`. */
    encode(tokenizer, segments, maxTokens) {
      const encoded = segments.map((segment) => tokenizer.encode(segment));
      const template = tokenizer.templates[segments.length - 1];
      const room = maxTokens - template.filter(({ special }) => special !== undefined).length;
      const lengths = encoded.map(({ length }) => length);
      const kept = kind.kept(input, lengths, room);
      const side = kind.side(input, tokenizer.direction);
      const cut = (tokens, most) => (side === "end" ? tokens.slice(0, most) : tokens.slice(tokens.length - most));
      const row = { ids: [], types: [], tokens: [], truncated: kept.some((length, at) => length < lengths[at]) };
      for (const { special, segment, type } of template) {
        const tokens = special === undefined ? cut(encoded[segment], kept[segment]) : [null];
        for (const token of tokens) {
          row.ids.push(token === null ? special : token.id);
          row.types.push(type);
          row.tokens.push(token === null ? null : { ...token, segment });
        }
      }
      return row;
    },
  };
}
