// The words of a row as its tokens have them: the rules of export/runtime/reading/words_of.py.

// scripts without blanks between words
export const UNSPACED = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]/u;
const isLetter = (char) => /^\p{L}$/u.test(char ?? "");
const isBlank = (char) => /^\p{White_Space}$/u.test(char ?? "a");
const isApostrophe = (char) => char === "'" || char === "’";

const merged = (words) => ({
  segment: words[0].segment,
  start: words[0].start,
  end: words.at(-1).end,
  places: words.flatMap(({ places }) => places),
});

function* wordsIn(chars, segment, tokens) {
  let group = null;
  const close = () => {
    let { start, end } = group;
    while (start < end && isBlank(chars[start])) start += 1;
    while (end > start && isBlank(chars[end - 1])) end -= 1;
    return start < end ? [{ segment, start, end, places: group.places }] : [];
  };
  for (const [place, token] of tokens.entries()) {
    if (token === null || token.segment !== segment) continue;
    const unspaced = UNSPACED.test(chars.slice(token.start, token.end).join("")) ? token.start : -1;
    if (group && group.word === token.word && group.unspaced === unspaced) {
      group.start = Math.min(group.start, token.start);
      group.end = Math.max(group.end, token.end);
      group.places.push(place);
      continue;
    }
    if (group) yield* close();
    group = { word: token.word, unspaced, start: token.start, end: token.end, places: [place] };
  }
  if (group) yield* close();
}

// don't is one word
function joins(chars, left, right) {
  const first = chars.slice(left.start, left.end);
  if (isApostrophe(chars[right.start])) return isLetter(first.at(-1)) && isLetter(chars[right.start + 1]);
  return isApostrophe(first.at(-1)) && first.length > 1 && isLetter(chars[right.start]);
}

/** The words of a row, in order; where there are more than `most`, neighbours are put together. */
export function wordsOf(segments, tokens, most) {
  const found = [];
  for (const [segment, text] of segments.entries()) {
    const chars = Array.from(text);
    const joined = [];
    for (const word of wordsIn(chars, segment, tokens)) {
      const before = joined.at(-1);
      const touches = before && before.end === word.start;
      if (touches && joins(chars, before, word)) joined[joined.length - 1] = merged([before, word]);
      else joined.push(word);
    }
    found.push(...joined);
  }
  const together = Math.ceil(found.length / most);
  if (together < 2) return found;
  return [0, 1].flatMap((segment) => {
    const members = found.filter((word) => word.segment === segment);
    const groups = Math.ceil(members.length / together);
    return Array.from({ length: groups }, (_, at) => merged(members.slice(at * together, (at + 1) * together)));
  });
}
