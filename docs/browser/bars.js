// Elements that page.js and talk.js show: the bars of one decision's scores.

import { isOrdered } from "./decisions.js";

const SHOWN = 8; // labels before "show all"

export const shown = (value) => value.toFixed(2);

export function element(name, content, className) {
  const made = document.createElement(name);
  if (content !== undefined) made.textContent = content;
  if (className) made.className = className;
  return made;
}

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** The bar of one score, with a line at the threshold where the label has one. */
function track(score, threshold) {
  const made = svg("svg", { class: "track", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  made.append(
    svg("rect", { class: "ground", width: 100, height: 10 }),
    svg("rect", { class: "score", width: 100 * score, height: 10 }),
  );
  if (threshold !== undefined) {
    const at = 100 * threshold;
    made.append(svg("line", { class: "threshold", x1: at, x2: at, y1: 0, y2: 10, "vector-effect": "non-scaling-stroke" }));
  }
  return made;
}

/** A row per label with its bar: all of them, or the first few. `say` has the sentences of a language. */
export function bars(manifest, { scores, labels }, all, say) {
  const rows = manifest.labels.map((label, at) => [label, scores[label], manifest.thresholds?.[at]]);
  if (!isOrdered(manifest)) rows.sort(([, left], [, right]) => right - left);
  const few = isOrdered(manifest) || all ? rows : rows.slice(0, SHOWN);
  return few.map(([label, score, threshold]) => {
    const row = element("li", undefined, labels.includes(label) ? "decided" : "");
    const value = element("span", shown(score), "value");
    if (threshold !== undefined) value.title = say.threshold(shown(threshold));
    row.append(element("span", label, "name"), track(score, threshold), value);
    return row;
  });
}

/** The decision in a sentence. */
export function sentenceOf({ labels, abstained }, say) {
  return abstained ? say.undecided : labels.length ? say.decision(labels) : say.none;
}
