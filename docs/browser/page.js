// The demonstration page: a text in, a decision with its reasons out. All state is in the page, and nothing is kept.

import { bars, element, sentenceOf, shown } from "./bars.js";
import { format, readTexts } from "./csv.js";
import { load } from "./distill.js";
import { languageOf, LANGUAGES } from "./strings.js";
import { block, decidedRows, turnsOf } from "./talk.js";

const WORDS_AFTER = 350; // milliseconds without typing
const BATCH = 32; // texts between two updates of the bar

const $ = (id) => document.getElementById(id);

const state = { language: "en", classifier: null, settings: {}, all: false, turn: 0, last: null, known: new Map() };
const say = () => LANGUAGES[state.language];
const columns = () => state.classifier?.manifest.input?.columns ?? ["text"];
const roles = () => Object.keys(state.classifier?.manifest.input?.roles ?? {}); // of a bundle of turns

function showScores(prediction) {
  const { manifest } = state.classifier;
  const rows = bars(manifest, prediction, state.all, say());
  $("scores").replaceChildren(...rows);
  $("all").hidden = rows.length === manifest.labels.length;
  $("scores-section").hidden = false;
}

function showPerson(handedOver) {
  $("person").hidden = handedOver.length === 0;
  $("person-title").textContent = say().person;
  $("reasons").replaceChildren(...handedOver.map((reason) => element("li", say().reasons[reason])));
  $("helpline").textContent = state.settings.helpline?.[state.language] ?? "";
}

function showDecision(prediction) {
  const { abstained, handedOver, possible } = prediction;
  $("decision").textContent = sentenceOf(prediction, say());
  showPerson(handedOver);
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

/** Decide a conversation turn by turn; what was decided before, and is read the same, is not decided again. */
async function decideTalk(turn, content) {
  const { manifest } = state.classifier;
  const rows = decidedRows(manifest.input, turnsOf(content, roles(), say()));
  const [before, predictions] = [state.known, []];
  const known = new Map();
  for (const row of rows) {
    const key = JSON.stringify(row.turns.slice(-manifest.input.turns - 1));
    const prediction = before.get(key) ?? (await state.classifier.predict(row.turns));
    if (turn !== state.turn) return;
    known.set(key, prediction);
    predictions.push(prediction);
  }
  state.known = known;
  const shownAs = { manifest, all: state.all, say: say() };
  $("turns").replaceChildren(...rows.map((row, at) => block(row, predictions[at], shownAs)));
  $("turns-section").hidden = rows.length === 0;
  $("all").hidden = true;
  $("decision").textContent = rows.length ? say().newest(sentenceOf(predictions.at(-1), say())) : say().noTurn(manifest.input.decides);
  showPerson([...new Set(predictions.flatMap(({ handedOver }) => handedOver))]);
}

async function decide() {
  const turn = (state.turn += 1);
  const texts = Array.from(document.querySelectorAll("textarea"), ({ value }) => value);
  if (!texts.some((text) => text.trim())) {
    state.last = null;
    for (const id of ["person", "possible", "scores-section", "words-section", "turns-section"]) $(id).hidden = true;
    $("decision").textContent = roles().length ? say().readyTalk : say().ready;
    return;
  }
  if (roles().length) return decideTalk(turn, texts[0]);
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
  $("turns-title").textContent = say().turns;
  $("talk-hint").textContent = roles().length ? say().talkHint(roles()) : "";
  $("talk").hidden = roles().length === 0;
  $("file-section").hidden = roles().length > 0;
  const names = columns().length === 1 ? [roles().length ? say().talk : say().text] : columns();
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

/** A button per role of a conversation, which begins a turn of it. */
function addRoles() {
  const field = document.querySelector("textarea");
  $("roles").replaceChildren(
    ...roles().map((role) => {
      const button = element("button", `+ ${role}`);
      button.type = "button";
      button.addEventListener("click", () => {
        field.value = `${field.value.trimEnd()}${field.value.trim() ? "\n" : ""}${role}: `;
        field.focus();
        field.dispatchEvent(new Event("input"));
      });
      return button;
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
  addRoles();
  translate();
  $("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) decideFile(target.files[0]).catch((error) => ($("progress").textContent = error.message));
  });
  $("all").addEventListener("click", () => {
    state.all = true;
    if (state.last) showScores(state.last);
  });
  const ready = roles().length ? say().readyTalk : say().ready;
  $("decision").textContent = (await state.classifier.verify()) ? ready : say().mismatch;
  document.querySelector("textarea").focus();
  document.body.dataset.ready = "true";
  await keepForOffline().catch(() => {}); // a page that cannot be kept still works
}

start().catch(failed);
