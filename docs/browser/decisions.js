// From calibrated logits to a decision, by what the manifest says.

const sigmoid = (values) => values.map((value) => 1 / (1 + Math.exp(-value)));

function softmax(values) {
  const top = Math.max(...values);
  const total = values.reduce((sum, value) => sum + Math.exp(value - top), 0);
  return values.map((value) => Math.exp(value - top) / total);
}

// the negative energy of logits, by which a text is out of domain; the same rule as in export/runtime/deciding/domain.py
const ENERGIES = {
  multi_label: (values) => values.reduce((sum, value) => sum + Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value))), 0),
  single_label: (values) => {
    const top = Math.max(...values);
    return top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
  },
};

const asTheyAre = (held) => held;

// by the manifest's task: scores of logits, the decision on each label, the chance that it is exactly right, the labels
// that a floor flags, the prediction set of labels that cannot be excluded, and whether labels have an order;
// the same rules as in export/runtime/deciding/kinds/, and tests/vectors/decisions.json holds the two together
const TASKS = {
  multi_label: {
    ordered: false,
    flagged: (labels, { kind, label }) => (kind === "recall" ? [label] : []),
    possible: asTheyAre,
    scores: sigmoid,
    decide: (scores, manifest) => scores.map((score, at) => score >= manifest.thresholds[at]),
    confidence: (scores, decided) =>
      scores.reduce((product, score, at) => product * (decided[at] ? score : 1 - score), 1),
  },
  ordinal: {
    ordered: true,
    flagged: (labels, { label }) => labels.slice(labels.indexOf(label)),
    possible: (held) => held.map((_, at) => held.indexOf(true) <= at && at <= held.lastIndexOf(true)),
    scores: softmax,
    // the highest level that is reached; the lowest one always is
    decide: (scores, manifest) => {
      const reached = scores.map((_, at) => scores.slice(at).reduceRight((sum, score) => sum + score, 0));
      const level = manifest.decision.cutoffs.reduce((best, cutoff, at) => (reached[at + 1] >= cutoff ? at + 1 : best), 0);
      return scores.map((_, at) => at === level);
    },
    confidence: (scores, decided) => scores[decided.indexOf(true)],
  },
  single_label: {
    ordered: false,
    flagged: () => [],
    possible: asTheyAre,
    scores: softmax,
    decide: (scores) => scores.map((_, at) => at === scores.indexOf(Math.max(...scores))),
    confidence: (scores) => Math.max(...scores),
  },
};

/**
 * The labels that are decided from one text's calibrated logits, with the score of every label; below the rule's
 * confidence, and where the text cannot be read, a person decides.
 */
export function decideLogits(manifest, values, noticed = []) {
  const { labels } = manifest;
  const task = TASKS[manifest.task];
  const scores = task.scores(values);
  const decided = task.decide(scores, manifest);
  const confidence = task.confidence(scores, decided);
  const chosen = labels.filter((_, at) => decided[at]);
  const unreadable = noticed.includes("unreadable");
  const abstained = unreadable || (manifest.abstain !== null && confidence < manifest.abstain.below);
  const flagged = !unreadable && (manifest.floors ?? []).some((floor) => task.flagged(labels, floor).some((label) => chosen.includes(label)));
  const foreign = !unreadable && manifest.out_of_domain && ENERGIES[manifest.task](values) < manifest.out_of_domain.below;
  const possibleLabels = () => {
    const held = scores.map((score, at) => score >= manifest.sets.thresholds[at] || decided[at]);
    const possible = task.possible(held);
    return labels.filter((_, at) => possible[at]);
  };
  return {
    labels: abstained ? [] : chosen,
    scores: Object.fromEntries(labels.map((label, at) => [label, scores[at]])),
    confidence,
    abstained,
    handedOver: [...(abstained && !unreadable ? ["unsure"] : []), ...noticed, ...(foreign ? ["out of domain"] : []), ...(flagged ? ["floor"] : [])],
    possible: manifest.sets ? (unreadable ? labels : possibleLabels()) : null,
  };
}

/** The score of every label, and whether each is decided, abstaining aside. */
export function scoresOf(manifest, logits) {
  const scores = TASKS[manifest.task].scores(Array.from(logits));
  return { scores, decided: TASKS[manifest.task].decide(scores, manifest) };
}

/** Whether the labels have an order. */
export const isOrdered = (manifest) => TASKS[manifest.task].ordered;

/** Refuse a manifest of a kind of task that is unknown here. */
export function checkTask(manifest) {
  if (!Object.hasOwn(TASKS, manifest.task)) {
    throw new Error(`This bundle's task is ${manifest.task}, which this page cannot. Use the Python runtime.`);
  }
}
