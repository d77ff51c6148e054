// SentencePiece's precompiled map of characters: a double array of bytes to places in a list of replacements.

import { append, empty, textOf, slice } from "./spans.js";

const LONGEST_CLUSTER = 6; // bytes; longer clusters are looked up character by character

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/** The normalizer of a map in base64. */
export function charsmapOf(base64) {
  const bytes = bytesOf(base64);
  const view = new DataView(bytes.buffer);
  const size = view.getUint32(0, true);
  const units = new Uint32Array(size / 4).map((_, at) => view.getUint32(4 + 4 * at, true));
  const replacements = bytes.subarray(4 + size);
  const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];
  const known = new Map();

  // the value of the shortest prefix that the map has, as the package takes it
  function valueOf(key) {
    const offset = (unit) => (unit >>> 10) << ((unit & 0x200) >>> 6);
    let at = 0;
    let unit = units[at];
    at ^= offset(unit);
    for (const byte of key) {
      if (byte === 0) return null;
      at ^= byte;
      unit = units[at];
      if ((unit & 0x800000ff) >>> 0 !== byte) return null;
      at ^= offset(unit);
      if ((unit >>> 8) & 1) return units[at] & 0x7fffffff;
    }
    return null;
  }

  function replaced(text) {
    if (known.has(text)) return known.get(text);
    const value = valueOf(encoder.encode(text));
    let found = null;
    if (value !== null) {
      found = Array.from(decoder.decode(replacements.subarray(value, replacements.indexOf(0, value))));
    }
    known.set(text, found);
    return found;
  }

  const clusters = new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return (span) => {
    const result = empty();
    let start = 0;
    for (const { segment } of clusters.segment(textOf(span))) {
      const end = start + Array.from(segment).length;
      const whole = encoder.encode(segment).length < LONGEST_CLUSTER ? replaced(segment) : null;
      if (whole) append(result, whole, span, start, end);
      for (let at = start; !whole && at < end; at += 1) {
        append(result, replaced(span.chars[at]) ?? [span.chars[at]], span, at, at + 1);
      }
      start = end;
    }
    return slice(result, 0, result.chars.length);
  };
}
