// A conversation in one field of the page: a turn per line, and a block of bars per turn that is decided.

import { bars, element, sentenceOf } from "./bars.js";
import { isDecided } from "./turns.js";

/**
 * The turns in lines such as "client: hello"; empty lines are left out, and so is a last one that is still only the
 * beginning of a role. Throws with the number of a line that begins with no role.
 */
export function turnsOf(content, roles, say) {
  const lines = content.split("\n");
  const begins = (line, role) => line.toLowerCase().startsWith(role.toLowerCase());
  const turns = [];
  for (const [at, line] of lines.entries()) {
    const said = line.trim();
    if (!said) continue;
    const speaker = roles.find((role) => begins(said, role) && /^\s*[:：]/.test(said.slice(role.length)));
    if (speaker === undefined) {
      if (at === lines.length - 1 && roles.some((role) => begins(role, said))) break;
      throw new TypeError(say.noRole(at + 1, roles));
    }
    turns.push({ speaker, text: said.slice(speaker.length).replace(/^\s*[:：]\s*/, "") });
  }
  return turns;
}

/**
 * The rows that a bundle decides in a conversation, each a list of turns whose last one is decided; where that is the
 * next one, also the turns to come, of which nothing is said yet.
 */
export function decidedRows(input, turns) {
  const beginnings = turns.map((_, at) => turns.slice(0, at + 1)).filter((said) => isDecided(input, said, turns));
  const toCome = input.predict === "next" && turns.length ? input.decides : [];
  return [
    ...beginnings.map((said) => ({ turns: said, isToCome: false })),
    ...toCome.map((speaker) => ({ turns: [...turns, { speaker, text: "" }], isToCome: true })),
  ];
}

/** The block of one decided turn. */
export function block({ turns, isToCome }, prediction, { manifest, all, say }) {
  const { speaker, text } = turns.at(-1);
  const made = element("li");
  const said = element("p", undefined, "said");
  const words = element("span", isToCome ? say.toCome : text);
  words.dir = "auto";
  said.append(element("strong", `${speaker}: `), words);
  const scores = element("ol", undefined, "scores");
  scores.append(...bars(manifest, prediction, all, say));
  made.append(said, element("p", sentenceOf(prediction, say), "of-turn"));
  if (prediction.handedOver.length) {
    const reasons = element("ul", undefined, "person");
    reasons.append(...prediction.handedOver.map((reason) => element("li", say.reasons[reason])));
    made.append(reasons);
  }
  made.append(scores, element("p", say.context(prediction.context), "quiet"));
  return made;
}
