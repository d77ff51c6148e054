// Reasons to hand a text over that are known before its scores.

import { UNSPACED } from "./words.js";

// the rules of export/runtime/deciding/listed_words.py: what may be written or left out without another word, what is
// not seen, and letters that are written in two ways
const ACCENTS =
  /[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]/g;
const INVISIBLE = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;
const LETTERS = {
  ß: "ss", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d", ı: "i", ς: "σ", ى: "ي", ی: "ي", ة: "ه", ک: "ك",
  ...Object.fromEntries([..."`‘’‛ʼʹ′"].map((mark) => [mark, "'"])),
};
const WRITTEN_SO = new RegExp(`[${Object.keys(LETTERS).join("")}]`, "g");
const folded = (text) =>
  text.normalize("NFKD").replace(ACCENTS, "").normalize("NFC").toLowerCase().replace(WRITTEN_SO, (char) => LETTERS[char]);
const wordsIn = (plain) => plain.match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];
const withoutHidden = (plain) => plain.replace(INVISIBLE, "");

// what is not seen is inside of a word, and is between two
function readingsOf(text) {
  const plain = folded(text);
  const joined = withoutHidden(plain);
  return joined === plain ? [wordsIn(plain)] : [wordsIn(joined), wordsIn(plain.replace(INVISIBLE, " "))];
}

// a form with an apostrophe is also found without it
function writtenAs(form) {
  const plain = withoutHidden(folded(form));
  const joined = plain.replace(/(?<=[\p{L}\p{N}])'(?=[\p{L}\p{N}])/gu, "");
  return [...new Set([plain, joined])].map((written) => ` ${wordsIn(written).join(" ")} `);
}

// a function that says whether a text has one of the forms
function finderOf(forms) {
  const anywhere = forms.filter((form) => UNSPACED.test(form)).map((form) => wordsIn(withoutHidden(folded(form))).join(""));
  const whole = forms.filter((form) => !UNSPACED.test(form)).flatMap(writtenAs);
  const isFound = (words) => {
    const spaced = ` ${words.join(" ")} `;
    const squeezed = words.join("");
    return whole.some((form) => spaced.includes(form)) || anywhere.some((form) => squeezed.includes(form));
  };
  return (text) => readingsOf(text).some(isFound);
}

// the rules of export/runtime/deciding/hand_over.py: whether a piece carries no meaning, or says little
const MEANINGLESS = 1;
const LITTLE = 2;

function kindOf(rule, piece) {
  const marked = piece.startsWith(rule.mark);
  const text = marked ? piece.slice(rule.mark.length) : piece;
  const [first] = text;
  const later = rule.kind === "continuation_mark" ? marked : /^[\p{L}\p{N}]/u.test(piece) && !marked;
  const learnt = !first || !/\p{L}/u.test(first) || rule.blocks.includes(Math.floor(first.codePointAt(0) / 128));
  if (later || piece === rule.unknown || piece === rule.mark || !learnt) return MEANINGLESS;
  const isLetter = [...text].length === 1 && text.toLowerCase() !== text.toUpperCase();
  return isLetter || /^[\p{P}$+<=>^`|~]*$/u.test(text) ? LITTLE : 0;
}

function readerOf(rule) {
  const known = new Map();
  const kind = (piece) => {
    if (!known.has(piece)) known.set(piece, kindOf(rule, piece));
    return known.get(piece);
  };
  return (pieces) => {
    if (!pieces.length) return true;
    const kinds = pieces.map(kind);
    const meaningless = kinds.filter((found) => found === MEANINGLESS).length;
    const words = kinds.filter((found) => found !== LITTLE).length;
    const least = rule.from_share_of_words ?? null;
    return meaningless / pieces.length >= rule.from_share || (least !== null && words > 0 && meaningless / words >= least);
  };
}

/**
 * Function from { texts, pieces, truncated } to reasons; `pieces` are a row's tokens without special ones, null where
 * there is no text yet that could not be read.
 */
export function lookoutOf({ unreadable: rule, hand_over: flags }) {
  const isUnreadable = rule ? readerOf(rule) : () => false;
  const hasWord = flags?.words.length ? finderOf(flags.words) : () => false;
  return ({ texts, pieces, truncated }) => [
    ...(pieces !== null && isUnreadable(pieces) ? ["unreadable"] : []),
    ...(flags?.truncated && truncated ? ["truncated"] : []),
    ...(texts.some(hasWord) ? ["crisis word"] : []),
  ];
}
