// The demonstration page: a text in, a decision with its reasons out. All state is in the page, and nothing is kept.

import { format, readTexts } from "./csv.js";
import { isOrdered } from "./decisions.js";
import { load } from "./distill.js";
import { languageOf, LANGUAGES } from "./strings.js";

const SHOWN = 8; // labels before "show all"
const WORDS_AFTER = 350; // milliseconds without typing
const BATCH = 32; // texts between two updates of the bar

const $ = (id) => document.getElementById(id);
const shown = (value) => value.toFixed(2);

const state = { language: "en", classifier: null, settings: {}, all: false, turn: 0, last: null };
const say = () => LANGUAGES[state.language];
const columns = () => state.classifier?.manifest.input?.columns ?? ["text"];

function element(name, content, className) {
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

function showScores({ scores, labels }) {
  const { manifest } = state.classifier;
  const rows = manifest.labels.map((label, at) => [label, scores[label], manifest.thresholds?.[at]]);
  if (!isOrdered(manifest)) rows.sort(([, left], [, right]) => right - left);
  const few = isOrdered(manifest) || state.all ? rows : rows.slice(0, SHOWN);
  $("scores").replaceChildren(
    ...few.map(([label, score, threshold]) => {
      const row = element("li", undefined, labels.includes(label) ? "decided" : "");
      const value = element("span", shown(score), "value");
      if (threshold !== undefined) value.title = say().threshold(shown(threshold));
      row.append(element("span", label, "name"), track(score, threshold), value);
      return row;
    }),
  );
  $("all").hidden = few.length === rows.length;
  $("scores-section").hidden = false;
}

function showDecision(prediction) {
  const { labels, abstained, handedOver, possible } = prediction;
  $("decision").textContent = abstained ? say().undecided : labels.length ? say().decision(labels) : say().none;
  $("person").hidden = handedOver.length === 0;
  $("person-title").textContent = say().person;
  $("reasons").replaceChildren(...handedOver.map((reason) => element("li", say().reasons[reason])));
  $("helpline").textContent = state.settings.helpline?.[state.language] ?? "";
  $("possible").hidden = possible === null || abstained;
  if (possible !== null) $("possible").textContent = say().possible(possible);
  showScores(prediction);
}

function showWords({ label, words }, texts) {
  const most = Math.max(...words.map(({ change }) => Math.abs(change)), 0.02);
  const parts = texts.flatMap((text, segment) => {
    const chars = Array.from(text);
    let last = 0;
    const pieces = words
      .filter((word) => word.segment === segment)
      .flatMap(({ start, end, change }) => {
        const strength = Math.round((3 * change) / most);
        const word = element("mark", chars.slice(start, end).join(""));
        word.className = strength > 0 ? `raises-${strength}` : strength < 0 ? "lowers" : "";
        word.title = `${change >= 0 ? "+" : "−"}${shown(Math.abs(change))}`;
        const before = chars.slice(last, start).join("");
        last = end;
        return [before, word];
      });
    return [...(segment ? ["\n"] : []), ...pieces, chars.slice(last).join("")];
  });
  $("words").replaceChildren(...parts);
  $("words-of").textContent = say().of(label);
  $("words-section").hidden = words.length === 0;
}

function rowOf(texts) {
  return texts.length === 1 ? texts[0] : texts;
}

async function decide() {
  const turn = (state.turn += 1);
  const texts = Array.from(document.querySelectorAll("textarea"), ({ value }) => value);
  if (!texts.some((text) => text.trim())) {
    state.last = null;
    for (const id of ["person", "possible", "scores-section", "words-section"]) $(id).hidden = true;
    $("decision").textContent = say().ready;
    return;
  }
  const prediction = await state.classifier.predict(rowOf(texts));
  if (turn !== state.turn) return; // somebody typed on
  state.last = prediction;
  showDecision(prediction);
  await new Promise((resolve) => setTimeout(resolve, WORDS_AFTER));
  if (turn !== state.turn) return;
  const explanation = await state.classifier.explain(rowOf(texts));
  if (turn === state.turn) showWords(explanation, texts);
}

function failed(error) {
  $("decision").textContent = error.message;
}

async function decideFile(file) {
  const { header, rows, columns: places } = readTexts(file.name, await file.text(), columns());
  const { labels } = state.classifier;
  const results = [[...header, "labels", "abstained", "handed_over", ...labels.map((label) => `score: ${label}`)]];
  let stopped = false;
  $("stop").onclick = () => (stopped = true);
  for (const id of ["stop", "bar"]) $(id).hidden = false;
  for (const [at, row] of rows.entries()) {
    if (at % BATCH === 0) {
      $("progress").textContent = say().progress(at, rows.length);
      $("bar").value = at / rows.length;
      await new Promise((resolve) => setTimeout(resolve)); // lets the page answer
      if (stopped) break;
    }
    const { labels: chosen, abstained, handedOver, scores } = await state.classifier.predict(rowOf(places.map((place) => row[place])));
    results.push([...row, chosen.join("|"), abstained, handedOver.join("|"), ...labels.map((label) => scores[label].toFixed(4))]);
  }
  for (const id of ["stop", "bar"]) $(id).hidden = true;
  $("progress").textContent = say().progress(results.length - 1, rows.length);
  URL.revokeObjectURL($("save").href);
  $("save").href = URL.createObjectURL(new Blob(["\ufeff", format(results)], { type: "text/csv" }));
  $("save").hidden = false;
}

/** Put every fixed sentence into the page, in the present language. */
function translate() {
  document.documentElement.lang = state.language;
  for (const id of ["title", "private", "all", "choose", "save", "stop"]) $(id).textContent = say()[id];
  document.title = say().title;
  $("scores-title").textContent = say().scores;
  $("words-title").textContent = say().words;
  $("words-hint").textContent = say().wordsHint;
  $("file-title").textContent = say().file;
  $("file-hint").textContent = say().fileHint(columns());
  const names = columns().length === 1 ? [say().text] : columns();
  document.querySelectorAll("#texts label span").forEach((label, at) => (label.textContent = names[at]));
  if (state.classifier) $("about").textContent = say().about(state.classifier.manifest.name, state.classifier.labels.length);
  for (const button of $("languages").children) button.setAttribute("aria-pressed", String(button.lang === state.language));
}

function chooseLanguage(language) {
  state.language = language;
  translate();
  if (state.classifier) decide().catch(failed);
}

function addFields() {
  $("texts").replaceChildren(
    ...columns().map((_, at) => {
      const label = element("label");
      const field = element("textarea");
      field.id = `text-${at}`;
      field.dir = "auto";
      field.spellcheck = false;
      field.autocomplete = "off";
      field.disabled = state.classifier === null;
      field.addEventListener("input", () => decide().catch(failed));
      label.append(element("span"), field);
      return label;
    }),
  );
}

async function keepForOffline() {
  if (!("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register("offline.js");
  const cache = await caches.open("distill-page");
  const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
  await cache.addAll([location.pathname, ...loaded.filter((name) => name.startsWith(location.origin))]);
}

async function start() {
  state.language = languageOf(location.search, navigator.languages);
  $("languages").replaceChildren(
    ...[
      ["en", "English"],
      ["zh", "中文"],
    ].map(([language, name]) => {
      const button = element("button", name);
      Object.assign(button, { type: "button", lang: language, onclick: () => chooseLanguage(language) });
      return button;
    }),
  );
  addFields();
  translate();
  $("decision").textContent = say().loading;
  state.settings = await (await fetch("settings.json")).json();
  state.classifier = await load(state.settings.bundle);
  addFields();
  translate();
  $("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) decideFile(target.files[0]).catch((error) => ($("progress").textContent = error.message));
  });
  $("all").addEventListener("click", () => {
    state.all = true;
    if (state.last) showScores(state.last);
  });
  $("decision").textContent = (await state.classifier.verify()) ? say().ready : say().mismatch;
  document.querySelector("textarea").focus();
  document.body.dataset.ready = "true";
  await keepForOffline().catch(() => {}); // a page that cannot be kept still works
}

start().catch(failed);
