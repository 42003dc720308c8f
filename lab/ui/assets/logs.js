// Consoles of the nodes, and logs of the lab's own processes.

import { getJson, getText } from "./api.js";
import { byId, element, setText } from "./dom.js";

const EVERY_MS = 2000;

export class Logs {
  constructor() {
    this.generation = null;
    this.asking = false;
    byId("log-name").addEventListener("change", () => this.read());
    setInterval(() => byId("log-follow").checked && !document.hidden && this.read(), EVERY_MS);
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
    if (!name || this.asking) return;
    this.asking = true;
    try {
      const text = await getText("/api/log", { name });
      const atEnd = room.scrollTop + room.clientHeight >= room.scrollHeight - 8;
      if (byId("log-name").value === name && room.textContent !== text) {
        room.textContent = text || "(empty)";
        if (atEnd) room.scrollTop = room.scrollHeight;
      }
    } catch (trouble) {
      room.textContent = `not readable: ${trouble.message}`;
    } finally {
      this.asking = false;
    }
  }
}

function commandOf(lab, name) {
  const node = name.startsWith("console ") ? name.slice(8) : "";
  return node ? `lab console --lab ${lab} ${node}` : `lab logs --lab ${lab} ${name}`;
}
