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

/**
 * The labels that are decided from one text's calibrated logits, with the score of every label; below the rule's
 * confidence a person decides.
 */
export function decideLogits(manifest, values) {
  const task = TASKS[manifest.task];
  const scores = task.scores(values);
  const decided = task.decide(scores, manifest);
  const confidence = task.confidence(scores, decided);
  const abstained = manifest.abstain !== null && confidence < manifest.abstain.below;
  return {
    labels: abstained ? [] : manifest.labels.filter((_, at) => decided[at]),
    scores: Object.fromEntries(manifest.labels.map((label, at) => [label, scores[at]])),
    confidence,
    abstained,
  };
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
  const closing = (await tokenizer("")).input_ids.data.at(-1);

  async function encode(text) {
    const inputs = await tokenizer(text, { truncation: true, max_length: manifest.max_tokens });
    const ids = inputs.input_ids.data;
    // Transformers.js cuts the closing token off together with the text
    if (ids.length === manifest.max_tokens) ids[ids.length - 1] = closing;
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
    return decideLogits(manifest, await logits(text));
  }

  return { manifest, ids, logits, decide };
}
