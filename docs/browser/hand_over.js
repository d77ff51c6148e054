// Reasons to hand a text over that are known before its scores.

import { UNSPACED } from "./words.js";

// the rules of export/runtime/deciding/hand_over.py: which pieces carry no meaning, and which words flag a text
const plainWords = (text) =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

function isMeaningless(rule, piece) {
  const marked = piece.startsWith(rule.mark);
  const [first] = marked ? piece.slice(rule.mark.length) : piece;
  const later = rule.kind === "continuation_mark" ? marked : /^[\p{L}\p{N}]/u.test(piece) && !marked;
  const learnt = !first || !/\p{L}/u.test(first) || rule.blocks.includes(Math.floor(first.codePointAt(0) / 128));
  return later || piece === rule.unknown || piece === rule.mark || !learnt;
}

// a function that says whether a text has one of the forms
function finderOf(forms) {
  const anywhere = forms.filter((form) => UNSPACED.test(form)).map((form) => plainWords(form).join(""));
  const whole = forms.filter((form) => !UNSPACED.test(form)).map((form) => ` ${plainWords(form).join(" ")} `);
  return (text) => {
    const words = plainWords(text);
    const spaced = ` ${words.join(" ")} `;
    const squeezed = words.join("");
    return whole.some((form) => spaced.includes(form)) || anywhere.some((form) => squeezed.includes(form));
  };
}

/** Function from { texts, pieces, truncated } to reasons; `pieces` are a row's tokens without special ones. */
export function lookoutOf({ unreadable: rule, hand_over: flags }) {
  const meaningless = new Map();
  const isEmpty = (piece) => {
    if (!meaningless.has(piece)) meaningless.set(piece, isMeaningless(rule, piece));
    return meaningless.get(piece);
  };
  const hasWord = flags?.words.length ? finderOf(flags.words) : () => false;
  return ({ texts, pieces, truncated }) => [
    ...(rule && (pieces.length ? pieces.filter(isEmpty).length / pieces.length : 1) >= rule.from_share ? ["unreadable"] : []),
    ...(flags?.truncated && truncated ? ["truncated"] : []),
    ...(texts.some(hasWord) ? ["crisis word"] : []),
  ];
}
