// Text as code points, each with the place in the original that it came from, so that tokens have offsets.
//
// A span is { chars, from, to }: chars[i] is one code point of the text as it is now, and the original's code points
// from[i] up to to[i] are what it stands for.

/** The whole numbers from `start` up to `end`. */
export const range = (start, end) => Array.from({ length: end - start }, (_, at) => start + at);

/** The span of a whole text. */
export function spanOf(text) {
  const chars = Array.from(text);
  return { chars, from: chars.map((_, at) => at), to: chars.map((_, at) => at + 1) };
}

export const textOf = (span) => span.chars.join("");

/** The span with `chars` before it, which stand for its first code point, as the package has it. */
export function prefixed(span, chars) {
  const result = empty();
  append(result, chars, span, 0, 1);
  span.chars.forEach((char, at) => append(result, [char], span, at, at + 1));
  return result;
}

export function slice(span, start, end) {
  return { chars: span.chars.slice(start, end), from: span.from.slice(start, end), to: span.to.slice(start, end) };
}

/** Append `chars` that stand for the places start up to end of `span`; an empty range stands for where it is. */
export function append(result, chars, span, start, end) {
  const before = start > 0 ? span.to[start - 1] : (span.from[0] ?? 0);
  const [from, to] = end > start ? [span.from[start], span.to[end - 1]] : [before, before];
  for (const char of chars) {
    result.chars.push(char);
    result.from.push(from);
    result.to.push(to);
  }
}

export const empty = () => ({ chars: [], from: [], to: [] });

/** A span in which `change` gives what each code point becomes. */
export function mapped(span, change) {
  const result = empty();
  span.chars.forEach((char, at) => append(result, change(char), span, at, at + 1));
  return result;
}

/** Places [start, end) of the span's code points for matches of a global pattern. */
export function* matches(span, pattern) {
  const units = [0];
  for (const char of span.chars) units.push(units.at(-1) + char.length);
  const places = new Map(units.map((unit, at) => [unit, at]));
  for (const { 0: found, index } of textOf(span).matchAll(pattern)) {
    yield [places.get(index), places.get(index + found.length)];
  }
}
