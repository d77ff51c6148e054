// Comma-separated values (RFC 4180) and plain lines, in and out.

/** Rows of cells; quotes, quoted line ends, and a byte-order mark are understood. */
export function parse(text) {
  const rows = [];
  let [row, cell, quoted] = [[], "", false];
  const source = text.replace(/^\ufeff/, "");
  const endCell = () => row.push(cell) && (cell = "");
  for (let at = 0; at < source.length; at += 1) {
    const char = source[at];
    if (quoted && char === '"' && source[at + 1] === '"') {
      cell += '"';
      at += 1;
    } else if (char === '"' && (quoted || cell === "")) quoted = !quoted;
    else if (!quoted && char === ",") endCell();
    else if (!quoted && (char === "\n" || char === "\r")) {
      if (char === "\r" && source[at + 1] === "\n") at += 1;
      endCell();
      rows.push(row);
      row = [];
    } else cell += char;
  }
  if (quoted) throw new Error("The file ends inside quotation marks. Close them, or save the table again.");
  if (cell !== "" || row.length) {
    endCell();
    rows.push(row);
  }
  return rows.filter((cells) => cells.length > 1 || cells[0] !== "");
}

const quoted = (cell) => (/[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

export const format = (rows) => rows.map((row) => row.map((cell) => quoted(String(cell))).join(",")).join("\r\n") + "\r\n";

/**
 * The rows of a file as { header, rows, columns }: `columns` are the places of the texts.
 *
 * A file called .csv has a header with the given names, or "text" for one text; any other file has one text per line.
 */
export function readTexts(name, content, names) {
  if (!/\.csv$/i.test(name)) {
    if (names.length > 1) throw new Error(`A table with the columns ${names.join(", ")} is needed: a file called .csv.`);
    const lines = content.replace(/^\ufeff/, "").split(/\r\n|\n|\r/);
    if (lines.at(-1) === "") lines.pop();
    return { header: names, rows: lines.map((line) => [line]), columns: [0] };
  }
  const [header, ...rows] = parse(content);
  const columns = names.map((one) => (header ?? []).indexOf(one));
  if (columns.includes(-1)) throw new Error(`The table's first line must name the columns ${names.join(", ")}.`);
  const short = rows.findIndex((row) => row.length !== header.length);
  if (short >= 0) throw new Error(`Row ${short + 2} has ${rows[short].length} cells, but the header has ${header.length}.`);
  return { header, rows, columns };
}
