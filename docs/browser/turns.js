// Turns of a conversation as the graph reads them: the template of export/runtime/reading/turns.py, literal in the manifest.

const MAX_CHARACTERS = 2 ** 20;
// where a template has this place, the newest turn of context loses its beginning if it does not fit whole
const NEWEST = "{newest}";

/** The ids of a template's pieces before and behind its place, without other places. */
function around(frame, place, idOf) {
  const at = frame.indexOf(place);
  return [frame.slice(0, at).filter((piece) => piece !== NEWEST).map(idOf), frame.slice(at + 1).map(idOf)];
}

/**
 * What the graph reads of a turn, the last of `turns`, with those before it. `encode` gives a text's ids without
 * special tokens, and `idOf` the id of a piece. `own` ids are the turn's own, of which `said` are its text's;
 * tests/vectors/turns.json holds this and the runtime together.
 */
export function readTurns({ input, max_tokens: maxTokens }, turns, encode, idOf) {
  const [start, end] = around(input.template.target, "{target}", idOf);
  const [before, after] = around(input.template.context, "{turns}", idOf);
  const role = ({ speaker }) => idOf(input.roles[speaker]);
  const target = turns.at(-1);
  const said = input.predict === "next" ? [] : encode(target.text);
  const room = Math.max(maxTokens - start.length - 1 - end.length, 0);
  const own = [...start, role(target), ...said.slice(0, room), ...end];
  let left = maxTokens - own.length - before.length - after.length;
  const read = [];
  const cuts = input.template.context.includes(NEWEST);
  let shortened = false;
  const context = input.turns ? turns.slice(0, -1).slice(-input.turns) : [];
  for (const turn of context.reverse()) {
    if (left < 1) break;
    let ids = encode(turn.text);
    if (cuts && !read.length && left > 1 && left < 1 + ids.length) {
      ids = ids.slice(1 - left);
      shortened = true;
    }
    left -= 1 + ids.length;
    if (left < 0) break;
    read.push([role(turn), ...ids]);
  }
  const row = { ids: own, types: own.map(() => 0), truncated: said.length > room };
  Object.assign(row, { turns: read.length, own: own.length, shortened });
  if (!read.length) return row;
  const segment = (distance) => Math.min(distance, Math.max(input.segments - 1, 0));
  const parts = [[before, 1], ...read.map((ids, at) => [ids, at + 1]), [after, read.length]];
  for (const [ids, distance] of parts) {
    row.ids = [...row.ids, ...ids];
    row.types = [...row.types, ...ids.map(() => segment(distance))];
  }
  return row;
}

/**
 * How many of some turns are read: of a whole conversation those up to the last with a text, or all where none has one.
 * A text is one as in Python: its blanks are \s without the byte order mark, and a few control characters.
 */
function spoken({ predict }, turns) {
  const hasText = ({ text }) => /[^\s\x1c-\x1f\x85]|\ufeff/.test(text);
  return (predict === "conversation" && turns.findLastIndex(hasText) + 1) || turns.length;
}

/** Whether the last of some turns is decided in a conversation of which they are the beginning. */
export function isDecided(input, said, turns) {
  const isWhole = input.predict === "conversation";
  return input.decides.includes(said.at(-1).speaker) && (!isWhole || said.length === spoken(input, turns));
}

/** The turns that a caller gives: a list of { speaker, text } or of pairs, or a window of the self-test. */
export function checkedTurns({ roles }, value, where) {
  const given = Array.isArray(value) ? value : [...(value?.context ?? []), value?.target];
  const turns = given.map((turn) => (Array.isArray(turn) ? { speaker: turn[0], text: turn[1] } : turn));
  const known = (turn) => typeof turn?.text === "string" && Object.hasOwn(roles, turn.speaker);
  if (!turns.every(known)) {
    const names = Object.keys(roles).join(", ");
    throw new TypeError(`${where}: This must be a list of turns, each with a speaker (${names}) and a text.`);
  }
  return turns;
}

/** The input of a bundle of turns; a row is a list of turns, whose last one is decided. */
export function turnsInput(input) {
  return {
    /** Whether a value is one row, and not a list of rows. */
    isRow: (value) => Array.isArray(value) && value.every((turn) => typeof turn?.speaker === "string"),
    /** The turns of a row, checked. */
    segments(value, where) {
      const turns = checkedTurns(input, value, where);
      if (!turns.length) throw new TypeError(`${where}: The list of turns is empty. Give at least the turn to decide.`);
      const read = turns.slice(0, spoken(input, turns)).slice(-input.turns - 1);
      if (!input.decides.includes(read.at(-1).speaker)) {
        const names = input.decides.join(", ");
        throw new TypeError(`${where}: The last turn is of a role that this bundle does not decide. It decides ${names}.`);
      }
      if (read.map(({ text }) => text).join("").length > MAX_CHARACTERS) {
        throw new RangeError(`${where}: The turns must have at most ${MAX_CHARACTERS} characters. Cut them.`);
      }
      return read;
    },
    /** What the decision is about: one turn, the newest where the next is decided, or all that are read. */
    texts(turns) {
      if (input.predict === "next") return [turns.at(-2)?.text ?? ""];
      return input.predict === "conversation" ? turns.map(({ text }) => text) : [turns.at(-1).text];
    },
    encode(tokenizer, turns, maxTokens) {
      const numbers = new Map(tokenizer.pieces.map((piece, id) => [piece, id]));
      const encode = (text) => tokenizer.encode(text).map(({ id }) => id);
      const row = readTurns({ input, max_tokens: maxTokens }, turns, encode, (piece) => numbers.get(piece));
      const first = input.template.target.indexOf("{target}") + 1;
      const last = row.own - (input.template.target.length - first);
      const said = input.predict === "next" ? [] : tokenizer.encode(turns.at(-1).text);
      const own = (at) => (at >= first && at < last ? { ...said[at - first], segment: 0 } : null);
      const tokens = row.ids.map((_, at) => own(at));
      if (input.predict === "this") return { ...row, tokens };
      const frame = [...Object.values(input.roles), ...input.template.target, ...input.template.context];
      const around = new Set(frame.map((piece) => numbers.get(piece)));
      const isUnsaid = input.predict === "next" && !row.turns;
      return { ...row, tokens, said: isUnsaid ? null : row.ids.filter((id) => !around.has(id)) };
    },
  };
}
