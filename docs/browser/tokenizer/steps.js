// The steps of a tokenizer.json by their type.

/** The refusal of a step that this page does not know. */
export const unknownStep = (part, type) =>
  new Error(`The tokenizer has the ${part} ${type}, which this page cannot. Use the Python runtime.`);

/** The function that `kinds` makes of a step. */
export function made(kinds, part, data) {
  if (!Object.hasOwn(kinds, data.type)) throw unknownStep(part, data.type);
  return kinds[data.type](data);
}
