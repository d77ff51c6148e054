// A bundle in a browser: Transformers.js reads tokenizer and graph, the manifest decides. No text leaves the page.

import { AutoModelForSequenceClassification, AutoTokenizer, env } from "./transformers.min.js";

const sigmoid = (values) => values.map((value) => 1 / (1 + Math.exp(-value)));

function softmax(values) {
  const top = Math.max(...values);
  const total = values.reduce((sum, value) => sum + Math.exp(value - top), 0);
  return values.map((value) => Math.exp(value - top) / total);
}

// by the manifest's task: scores of logits, the decision on each label, and the chance that it is exactly right;
// the same rules as in export/runtime/kinds/, and tests/vectors/decisions.json holds the two together
const TASKS = {
  multi_label: {
    scores: sigmoid,
    decide: (scores, manifest) => scores.map((score, at) => score >= manifest.thresholds[at]),
    confidence: (scores, decided) =>
      scores.reduce((product, score, at) => product * (decided[at] ? score : 1 - score), 1),
  },
  ordinal: {
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
    scores: softmax,
    decide: (scores) => scores.map((_, at) => at === scores.indexOf(Math.max(...scores))),
    confidence: (scores) => Math.max(...scores),
  },
};

// the rules of export/runtime/hand_over.py: which pieces carry no meaning, and which words flag a text
const UNSPACED = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]/u;

const wordsOf = (text) =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

function isMeaningless(rule, piece) {
  const marked = piece.startsWith(rule.mark);
  const [first] = marked ? piece.slice(rule.mark.length) : piece;
  const later = rule.kind === "continuation_mark" ? marked : /^[\p{L}\p{N}]/u.test(piece) && !marked;
  const learnt = !first || !/\p{L}/u.test(first) || rule.blocks.includes(Math.floor(first.codePointAt(0) / 128));
  return later || piece === rule.unknown || piece === rule.mark || !learnt;
}

function hasWord(forms, text) {
  const spaced = ` ${wordsOf(text).join(" ")} `;
  const squeezed = spaced.replaceAll(" ", "");
  return forms.some((form) =>
    UNSPACED.test(form) ? squeezed.includes(wordsOf(form).join("")) : spaced.includes(` ${wordsOf(form).join(" ")} `),
  );
}

/** Reasons to hand a text over that are known before its scores; `pieces` are its tokens without special ones. */
function notice(manifest, { text, pieces, truncated }) {
  const { unreadable: rule, hand_over: flags } = manifest;
  const share = rule && pieces.length ? pieces.filter((piece) => isMeaningless(rule, piece)).length / pieces.length : 1;
  return [
    ...(rule && share >= rule.from_share ? ["unreadable"] : []),
    ...(flags?.truncated && truncated ? ["truncated"] : []),
    ...(flags?.words.length && hasWord(flags.words, text) ? ["crisis word"] : []),
  ];
}

/** The labels whose decision a person should read for the sake of a floor. */
function flaggedBy(manifest) {
  return (manifest.floors ?? []).flatMap(({ kind, label }) => {
    if (kind === "precision") return [];
    return kind === "share at or above" ? manifest.labels.slice(manifest.labels.indexOf(label)) : [label];
  });
}

function possibleBy(sets, labels, scores, chosen) {
  const held = labels.map((label, at) => scores[at] >= sets.thresholds[at] || chosen.includes(label));
  if (sets.kind !== "interval" || !held.includes(true)) return labels.filter((_, at) => held[at]);
  return labels.slice(held.indexOf(true), held.lastIndexOf(true) + 1);
}

/**
 * The labels that are decided from one text's calibrated logits, with the score of every label; below the rule's
 * confidence, and where the text cannot be read, a person decides.
 */
export function decideLogits(manifest, values, seen = { text: "", pieces: [], truncated: false }) {
  const { labels } = manifest;
  const task = TASKS[manifest.task];
  const scores = task.scores(values);
  const decided = task.decide(scores, manifest);
  const confidence = task.confidence(scores, decided);
  const chosen = labels.filter((_, at) => decided[at]);
  const noticed = notice(manifest, seen);
  const unreadable = noticed.includes("unreadable");
  const abstained = unreadable || (manifest.abstain !== null && confidence < manifest.abstain.below);
  const flagged = !unreadable && flaggedBy(manifest).some((label) => chosen.includes(label));
  return {
    labels: abstained ? [] : chosen,
    scores: Object.fromEntries(labels.map((label, at) => [label, scores[at]])),
    confidence,
    abstained,
    handedOver: [...(abstained && !unreadable ? ["unsure"] : []), ...noticed, ...(flagged ? ["floor"] : [])],
    possible: manifest.sets ? (unreadable ? labels : possibleBy(manifest.sets, labels, scores, chosen)) : null,
  };
}

/** The pieces of a tokenizer.json by id. */
export function piecesOf({ model, added_tokens: added }) {
  const pieces = Array.isArray(model.vocab)
    ? model.vocab.map(([piece]) => piece)
    : Object.entries(model.vocab).reduce((all, [piece, id]) => ((all[id] = piece), all), []);
  for (const { id, content } of added) pieces[id] = content;
  return pieces;
}

/** Refuse a bundle that reads anything but one text: Transformers.js cuts pairs by another rule than its students saw. */
export function checkInput(manifest) {
  if (manifest.input && manifest.input.kind !== "text") {
    const columns = manifest.input.columns.join(", ");
    throw new Error(`This bundle reads pairs (${columns}), which this page cannot. Use the Python runtime.`);
  }
}

/** Open the bundle in the folder `name` beside this page; gives `logits`, `ids` and `decide` of one text. */
export async function load(name) {
  env.allowLocalModels = true;
  env.allowRemoteModels = false;
  env.localModelPath = "./";
  env.backends.onnx.wasm.wasmPaths = "./";
  const manifest = await (await fetch(`./${name}/manifest.json`)).json();
  checkInput(manifest);
  const dtype = manifest.model_file.endsWith("_quantized.onnx") ? "q8" : "fp32";
  const tokenizer = await AutoTokenizer.from_pretrained(name);
  const model = await AutoModelForSequenceClassification.from_pretrained(name, { dtype, device: "wasm" });
  const special = Array.from((await tokenizer("")).input_ids.data, Number);
  const closing = special.at(-1);
  const pieces = piecesOf(await (await fetch(`./${name}/${manifest.tokenizer_file}`)).json());

  async function encode(text) {
    const inputs = await tokenizer(text, { truncation: true, max_length: manifest.max_tokens });
    const ids = inputs.input_ids.data;
    // Transformers.js cuts the closing token off together with the text
    if (ids.length === manifest.max_tokens) ids[ids.length - 1] = BigInt(closing);
    return inputs;
  }

  /** Token ids, as the graph gets them. */
  async function ids(text) {
    return Array.from((await encode(text)).input_ids.data, Number);
  }

  /** Calibrated logits, one for each of `manifest.labels`. */
  async function logits(text) {
    return Array.from((await model(await encode(text))).logits.data);
  }

  /** What the manifest decides for one text. */
  async function decide(text) {
    const read = (await ids(text)).filter((id) => !special.includes(id)).map((id) => pieces[id]);
    const truncated = (await tokenizer(text)).input_ids.data.length > manifest.max_tokens;
    return decideLogits(manifest, await logits(text), { text, pieces: read, truncated });
  }

  return { manifest, ids, logits, decide };
}
