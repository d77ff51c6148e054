// A bundle in JavaScript: ONNX Runtime runs the graph, the manifest decides, and no text leaves the page.

import { checkTask, decideLogits, scoresOf } from "./decisions.js";
import { lookoutOf } from "./hand_over.js";
import { inputOf } from "./inputs.js";
import { checkedTurns, isDecided } from "./turns.js";
import { Tokenizer } from "./tokenizer/tokenizer.js";
import { wordsOf } from "./words.js";

const FORMATS = [1, 2];
const MAX_CHARACTERS = 2 ** 20;
const MAX_WORDS = 100;
const LONE_SURROGATE = /\p{Surrogate}/u;

async function sha256(bytes) {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether there is a file system, which a page does not have. */
const IN_NODE = typeof process !== "undefined" && process.versions?.node !== undefined;

/** The address of a folder: relative to the page, or in Node to the working directory. */
async function addressOf(folder) {
  if (!(folder instanceof URL) && (typeof folder !== "string" || folder === "")) {
    throw new Error("folder: This must be the address of a bundle's folder.");
  }
  const text = String(folder).replace(/\/?$/, "/");
  if (!IN_NODE || folder instanceof URL || /^[a-z][a-z0-9+.-]+:/i.test(text)) {
    return new URL(text, globalThis.location?.href);
  }
  return (await import("node:url")).pathToFileURL(text); // also of C:\, which is no scheme
}

async function contentOf(url) {
  if (IN_NODE && url.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return readFile(url).catch((error) => {
      throw new Error(`${url}: The file cannot be read (${error.code}). Give the folder of a bundle.`);
    });
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: The file cannot be read (status ${response.status}).`);
  return new Uint8Array(await response.arrayBuffer());
}

/** ONNX Runtime Web on one thread: the files beside this module, or the npm package. */
async function packagedRuntime() {
  const beside = "./ort.wasm.min.mjs"; // in a variable, so that a bundler does not look for it
  let runtime = IN_NODE ? null : await import(/* @vite-ignore */ /* webpackIgnore: true */ beside).catch(() => null);
  if (runtime !== null) {
    runtime.env.wasm.wasmPaths = new URL("./", import.meta.url).href;
  } else {
    runtime = await import("onnxruntime-web/wasm").catch(() => {
      throw new Error("onnxruntime-web: There is no such package. Install it, or put its files beside distill.js.");
    });
  }
  runtime.env.wasm.numThreads = 1;
  return runtime;
}

/**
 * Open the bundle in a folder; every file is checked against its hash in the manifest.
 *
 * @param {string | URL} folder address of the bundle, relative to the page; in Node also a path
 * @param {{ manifestSha256?: string, runtime?: object, read?: (url: URL) => Promise<Uint8Array> }} options
 *   the manifest's hash, to pin the bundle; ONNX Runtime's module; and a function that reads a file.
 * @returns {Promise<Classifier>}
 */
export async function load(folder, { manifestSha256, runtime, read = contentOf } = {}) {
  const base = await addressOf(folder);
  const bytes = await read(new URL("manifest.json", base));
  if (manifestSha256 !== undefined && (await sha256(bytes)) !== String(manifestSha256).toLowerCase()) {
    throw new Error("manifest.json: The file's sha256 is not the pinned one. This is another bundle.");
  }
  const manifest = JSON.parse(new TextDecoder().decode(bytes));
  if (!FORMATS.includes(manifest.format_version)) {
    throw new Error(`manifest.json: The format version is ${manifest.format_version}, which is unknown here.`);
  }
  checkTask(manifest);
  const [tokenizer, model] = await Promise.all(
    [manifest.tokenizer_file, manifest.model_file].map(async (name) => {
      const content = await read(new URL(name, base));
      if ((await sha256(content)) !== manifest.files[name]?.sha256) {
        throw new Error(`${name}: The file's sha256 is not that of the manifest. Copy the bundle again.`);
      }
      return content;
    }),
  );
  const onnx = runtime ?? (await packagedRuntime());
  const session = await onnx.InferenceSession.create(model, { executionProviders: ["wasm"] });
  return new Classifier(manifest, JSON.parse(new TextDecoder().decode(tokenizer)), session, onnx.Tensor);
}

export class Classifier {
  #input;
  #notice;
  #tokenizer;
  #session;
  #Tensor;

  constructor(manifest, tokenizer, session, Tensor) {
    this.manifest = manifest;
    this.#input = inputOf(manifest);
    this.#notice = lookoutOf(manifest);
    this.#tokenizer = new Tokenizer(tokenizer);
    this.#session = session;
    this.#Tensor = Tensor;
  }

  /** The labels, in the order of the logits. */
  get labels() {
    return this.manifest.labels;
  }

  /** Token ids of one text or pair, as the graph gets them. */
  ids(value) {
    return this.#read(value).row.ids;
  }

  /** Calibrated logits of one text or pair, one per label. */
  async logits(value) {
    return this.#forward(this.#read(value).row);
  }

  /** The decision on one text or pair; of a list, one per item. */
  async predict(value) {
    if (Array.isArray(value) && !this.#input.isRow(value)) {
      const predictions = [];
      for (const item of value) predictions.push(await this.predict(item));
      return predictions;
    }
    const read = this.#read(value);
    return this.#decided(read, await this.#forward(read.row));
  }

  /**
   * The decision on each turn of one conversation, read with those before it; null for roles that are not decided,
   * and for all turns but the last with a text where the bundle decides whole conversations.
   */
  async predictTurns(turns) {
    if (this.manifest.input?.kind !== "turns") throw new Error("This bundle reads no conversations. Use predict.");
    const checked = checkedTurns(this.manifest.input, turns, "turns");
    const predictions = [];
    for (const at of checked.keys()) {
      const said = checked.slice(0, at + 1);
      predictions.push(isDecided(this.manifest.input, said, checked) ? await this.predict(said) : null);
    }
    return predictions;
  }

  /**
   * The words that the model used for one label: by default the decided label with the highest score, or the
   * highest of all where none is decided. `change` is the score minus the score without the word.
   */
  async explain(value, label) {
    if (this.manifest.input?.kind === "turns") {
      throw new Error("This bundle reads turns of conversations, whose words are not explained. Use predictTurns.");
    }
    if (label !== undefined && !this.labels.includes(label)) {
      throw new Error(`label: The bundle has no such label. Name one of ${this.labels.join(", ")}.`);
    }
    const read = this.#read(value);
    const logits = await this.#forward(read.row);
    const prediction = this.#decided(read, logits);
    const whole = scoresOf(this.manifest, logits);
    const among = whole.scores.map((score, at) => (whole.decided[at] || !whole.decided.includes(true) ? score : -1));
    const number = label === undefined ? among.indexOf(Math.max(...among)) : this.labels.indexOf(label);
    const words = prediction.handedOver.includes("unreadable") ? [] : wordsOf(read.segments, read.row.tokens, MAX_WORDS);
    const effects = [];
    for (const { segment, start, end, places } of words) {
      const without = scoresOf(this.manifest, await this.#forward(withoutPlaces(read.row, places)));
      const { maskId } = this.#tokenizer;
      const masked = maskId === null ? null : await this.#forward(maskedAt(read.row, places, maskId));
      const of = (changed) => this.labels.filter((_, at) => without.decided[at] !== whole.decided[at] && without.decided[at] === changed);
      effects.push({
        segment,
        start,
        end,
        change: whole.scores[number] - without.scores[number],
        maskedChange: masked && whole.scores[number] - scoresOf(this.manifest, masked).scores[number],
        gained: of(true),
        lost: of(false),
      });
    }
    return {
      label: this.labels[number],
      score: whole.scores[number],
      decided: whole.decided[number],
      prediction,
      words: effects,
    };
  }

  /** Whether this browser gives the ids and logits of the bundle's self-test. */
  async verify() {
    const { texts, input_ids: ids, logits, tolerance } = this.manifest.self_test;
    for (const [at, text] of texts.entries()) {
      const found = await this.logits(text);
      if (this.ids(text).join() !== ids[at].join()) return false;
      if (found.some((value, label) => !(Math.abs(value - logits[at][label]) <= tolerance))) return false;
    }
    return true;
  }

  #read(value) {
    const segments = this.#input.segments(value, "text");
    const texts = this.#input.texts(segments);
    // Python refuses it, and other engines read something else in its place
    if (texts.some((text) => LONE_SURROGATE.test(text))) {
      throw new TypeError("text: The text must be valid Unicode without lone surrogates.");
    }
    if (texts.join("").length > MAX_CHARACTERS) {
      throw new RangeError(`text: The text must have at most ${MAX_CHARACTERS} characters. Cut or split it.`);
    }
    return { segments: texts, row: this.#input.encode(this.#tokenizer, segments, this.manifest.max_tokens) };
  }

  #decided({ segments, row }, logits) {
    const own = () => row.tokens.filter((token) => token !== null).map(({ id }) => id);
    const ids = row.said === undefined ? own() : row.said; // null where nothing was said yet
    const pieces = ids && ids.map((id) => this.#tokenizer.pieces[id]);
    const noticed = this.#notice({ texts: segments, pieces, truncated: row.truncated });
    const context = row.turns === undefined ? {} : { context: row.turns };
    return { ...decideLogits(this.manifest, logits, noticed), truncated: row.truncated, ...context };
  }

  async #forward({ ids, types }) {
    const tensor = (values) => new this.#Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
    const columns = { input_ids: ids, attention_mask: ids.map(() => 1), token_type_ids: types };
    const feeds = Object.fromEntries(this.manifest.inputs.map((name) => [name, tensor(columns[name])]));
    const { logits } = await this.#session.run(feeds);
    return Array.from(logits.data);
  }
}

function withoutPlaces(row, places) {
  const kept = (values) => values.filter((_, at) => !places.includes(at));
  return { ids: kept(row.ids), types: kept(row.types) };
}

const maskedAt = (row, places, mask) => ({
  ids: row.ids.map((id, at) => (places.includes(at) ? mask : id)),
  types: row.types,
});
