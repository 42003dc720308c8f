// Builds and changes elements. All text goes in as text: no name from a lab is ever markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, String(value));
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

// Changes a table in place, row by row, so that focus and selected text stay.
// columns: [{title, number}], rows: [{key, cells: [text | {text, look, press, label}]}]
export function fillTable(table, columns, rows) {
  if (!table.tHead) {
    const heads = columns.map((column) => element("th", { scope: "col", class: column.number ? "number" : null }, column.title));
    table.append(element("thead", {}, element("tr", {}, ...heads)), element("tbody"));
  }
  const body = table.tBodies[0];
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  rows.forEach(({ key, cells }, at) => {
    let row = known.get(key);
    known.delete(key);
    if (!row) {
      row = element("tr", { "data-key": key }, ...columns.map(newCell));
    }
    if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null);
    cells.forEach((cell, index) => fillCell(row.cells[index], cell, index));
  });
  for (const row of known.values()) row.remove();
}

function newCell(column) {
  return element("td", { class: column.number ? "number" : null });
}

function fillCell(cell, content) {
  const { text, look = "", press, label } = typeof content === "object" ? content : { text: content };
  cell.classList.toggle("good", look === "good");
  cell.classList.toggle("bad", look === "bad");
  cell.classList.toggle("warn", look === "warn");
  cell.classList.toggle("unknown", look === "unknown");
  if (!press) {
    setText(cell, text);
    return;
  }
  let button = cell.querySelector("button");
  if (!button) {
    button = element("button", { type: "button", class: label ? null : "name" });
    button.addEventListener("click", () => button.press());
    cell.replaceChildren(button);
  }
  button.press = press;
  setText(button, text);
  if (label) button.setAttribute("aria-label", label);
}

export const timeOf = (ns) => new Date(ns / 1e6).toLocaleTimeString("en-GB");

export function ageOf(ns) {
  const seconds = Math.max(0, Math.round(ns / 1e9));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

// In words, what is not known of a part of the lab; empty if all is.
export function unknownText(part) {
  if (part.unknown_since != null) {
    const last = part.seen == null ? "no value yet" : `last known ${timeOf(part.seen)}`;
    return `unknown since ${timeOf(part.unknown_since)} (${last}): ${part.trouble}`;
  }
  return part.seen == null ? "not known yet" : "";
}

export const isKnown = (part) => part != null && part.seen != null && part.unknown_since == null;
