// Consoles of the nodes, and logs of the lab's own processes.

import { getJson, getText } from "./api.js";
import { byId, element, setText } from "./dom.js";

const EVERY_MS = 2000;
const JOURNAL_EVERY_MS = 10_000; // it is read from the node

export class Logs {
  constructor() {
    this.generation = null;
    this.asking = new Set();
    this.read_at = 0;
    byId("log-name").addEventListener("change", () => this.read());
    setInterval(() => this.follow(), EVERY_MS);
  }

  follow() {
    const every = byId("log-name").value.startsWith("journal ") ? JOURNAL_EVERY_MS : EVERY_MS;
    const due = Date.now() - this.read_at >= every - 100;
    if (due && byId("log-follow").checked && !document.hidden) this.read();
  }

  async list(lab) {
    this.lab = lab.lab;
    if (lab.generation === this.generation) return;
    this.generation = lab.generation;
    try {
      const names = await getJson("/api/logs");
      const choice = byId("log-name");
      const before = choice.value;
      const options = names.map((name) => element("option", { value: name }, name));
      choice.replaceChildren(element("option", { value: "" }, "none"), ...options);
      choice.value = names.includes(before) ? before : "";
    } catch {
      this.generation = null;
    }
  }

  async read() {
    const name = byId("log-name").value;
    const room = byId("log");
    room.hidden = !name;
    setText(byId("log-command"), name ? commandOf(this.lab, name) : "");
    if (!name || this.asking.has(name)) return;
    this.asking.add(name);
    this.read_at = Date.now();
    if (room.dataset.name !== name) room.textContent = "reading …";
    room.dataset.name = name;
    try {
      const text = await getText("/api/log", { name });
      const atEnd = room.scrollTop + room.clientHeight >= room.scrollHeight - 8;
      if (room.dataset.name === name && room.textContent !== text) {
        room.textContent = text || "(empty)";
        if (atEnd) room.scrollTop = room.scrollHeight;
      }
    } catch (trouble) {
      if (room.dataset.name === name) room.textContent = `not readable: ${trouble.message}`;
    } finally {
      this.asking.delete(name);
    }
  }
}

function commandOf(lab, name) {
  const [kind, node] = name.split(" ");
  if (kind === "console") return `lab console --lab ${lab} ${node}`;
  return `lab logs --lab ${lab} ${node ?? name}`;
}
