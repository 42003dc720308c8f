// What is known of each part of the lab, in tables.

import { ageOf, byId, element, fillTable, isKnown, setText, timeOf, unknownText } from "./dom.js";

export class Tables {
  constructor(select, heal) {
    this.select = select;
    this.heal = heal;
    this.before = null;
  }

  show(lab) {
    for (const note of document.querySelectorAll("p.unknown[data-part]")) {
      const text = unknownText(lab[note.dataset.part]);
      note.hidden = !text;
      setText(note, text);
      note.parentElement.querySelector("table")?.classList.toggle("stale", Boolean(text));
    }
    this.nodes(lab);
    this.links(lab);
    this.faults(lab);
    this.devices(lab);
    this.samples(lab);
    this.pods(lab);
    this.before = lab;
  }

  name(place, name) {
    return { text: name, press: () => this.select(place, name) };
  }

  nodes(lab) {
    const columns = ["name", "arch", "memory", "ready", "runtime", "accelerator"];
    const rows = (lab.nodes.value ?? []).map((node) => ({
      key: node.name,
      cells: [
        this.name("node", node.name),
        node.arch,
        `${node.memory_mib} MiB`,
        node.ready ? { text: "● Ready", look: "good" } : { text: "● NotReady", look: "bad" },
        node.runtime,
        node.accelerator + (node.reboots ? `, booted ${node.reboots + 1} times` : ""),
      ],
    }));
    fillTable(byId("nodes-table"), columns.map((title) => ({ title })), rows);
  }

  links(lab) {
    const columns = [
      { title: "name" }, { title: "endpoint" }, { title: "network" }, { title: "state" },
      { title: "frames tx", number: true }, { title: "rx", number: true }, { title: "per s", number: true },
    ];
    const rates = this.rates(lab);
    const rows = (lab.links.value ?? []).map((link) => ({
      key: link.name,
      cells: [
        this.name("link", link.name),
        link.endpoint,
        link.network,
        { text: `● ${link.detail || link.state}`, look: link.state === "up" ? "good" : link.state === "cut" ? "bad" : "warn" },
        String(link.frames_tx),
        String(link.frames_rx),
        rates.get(link.name) ?? "",
      ],
    }));
    fillTable(byId("links-table"), columns, rows);
  }

  rates(lab) {
    const before = this.before?.links;
    const seconds = before ? (lab.links.seen - before.seen) / 1e9 : 0;
    if (before && seconds === 0 && this.lastRates) return this.lastRates;
    const found = new Map();
    if (before?.value && lab.links.value && seconds > 0 && isKnown(lab.links)) {
      const old = new Map(before.value.map((link) => [link.name, link.frames_tx + link.frames_rx]));
      for (const link of lab.links.value) {
        const frames = link.frames_tx + link.frames_rx - (old.get(link.name) ?? 0);
        if (frames >= 0) found.set(link.name, (frames / seconds).toFixed(0));
      }
    }
    this.lastRates = found;
    return found;
  }

  faults(lab) {
    const columns = ["id", "fault", "since", "until", "proof", "recovery", ""];
    const all = lab.faults.value ?? [];
    const active = all.filter((fault) => fault.healed == null);
    const recent = all.filter((fault) => fault.healed != null).slice(-5);
    const rows = [...active, ...recent.reverse()].map((fault) => ({
      key: String(fault.id),
      cells: [
        String(fault.id),
        { text: fault.title, look: fault.healed == null ? "bad" : "" },
        timeOf(fault.began),
        fault.healed == null ? "" : timeOf(fault.healed),
        fault.seen == null ? (fault.healed == null ? "not seen yet" : "no effect seen") : fault.proof,
        fault.healed == null && fault.heal_began != null ? "healing …" : fault.cure,
        fault.healed == null && !lab.read_only
          ? { text: "Heal", press: () => this.heal([fault.id]), label: `Heal fault ${fault.id}: ${fault.title}` }
          : "",
      ],
    }));
    fillTable(byId("faults-table"), columns.map((title) => ({ title })), rows);
    byId("heal-all").hidden = lab.read_only || active.length < 2;
    const plan = lab.plan.value;
    const at = plan ? Math.min(plan.lasts_s, (lab.now - plan.began) / 1e9) : 0;
    setText(
      byId("plan"),
      plan ? `plan ${plan.name}, seed ${plan.seed}: ${ageOf(at * 1e9)} of ${ageOf(plan.lasts_s * 1e9)}` : "no plan is running",
    );
  }

  devices(lab) {
    const room = byId("devices");
    for (const [name, part] of Object.entries(lab.devices)) {
      let block = room.querySelector(`[data-device="${CSS.escape(name)}"]`);
      if (!block) {
        const button = element("button", { type: "button", class: "name" }, name);
        button.addEventListener("click", () => this.select("device", name));
        block = element(
          "div", { "data-device": name },
          element("h3", {}, button, " ", element("span", { class: "note" })),
          element("p", { class: "unknown" }),
          element("div", { class: "scroll" }, element("table")),
        );
        room.append(block);
      }
      this.device(block, part, lab);
    }
    for (const block of [...room.children]) {
      if (!(block.dataset.device in lab.devices)) block.remove();
    }
  }

  device(block, part, lab) {
    const unknown = unknownText(part);
    const seen = part.value;
    const note = block.querySelector(".note");
    const status = seen?.status;
    setText(note, status ? `${status.protocol} ${status.address} ${unknown ? "" : status.reachable ? "● reachable" : "● not reachable"}` : "");
    note.className = `note ${unknown ? "unknown" : status?.reachable ? "good" : "bad"}`;
    const twins = seen?.twins ?? [];
    const twinsUnknown = twins.length ? unknownText(lab.twins) : "";
    const trouble = [unknown, twinsUnknown && `reported values: ${twinsUnknown}`].filter(Boolean).join("; ");
    const line = block.querySelector("p.unknown");
    line.hidden = !trouble;
    setText(line, trouble);
    const table = block.querySelector("table");
    table.classList.toggle("stale", Boolean(unknown));
    const heads = ["point", "device", ...twins.map((twin) => `reported by ${twin.node}`)];
    if (table.tHead && table.tHead.rows[0].cells.length !== heads.length) table.replaceChildren();
    const rows = (seen?.values ?? []).map((point) => ({
      key: point.name,
      cells: [
        point.name,
        `${point.value} ${point.unit}`.trim(),
        ...twins.map((twin) => reported(lab.twins.value?.[twin.twin]?.[point.name], point, lab.now, twinsUnknown)),
      ],
    }));
    fillTable(table, heads.map((title, at) => ({ title, number: at > 0 })), rows);
  }

  samples(lab) {
    const columns = [
      { title: "device" }, { title: "node" },
      ...["sampled", "arrived", "waiting", "lost", "repeated"].map((title) => ({ title, number: true })),
      { title: "connected" },
    ];
    const notes = [];
    const rows = [];
    for (const [node, part] of Object.entries(lab.samples)) {
      const unknown = unknownText(part);
      if (unknown) notes.push(`${node}: ${unknown}`);
      for (const row of part.value ?? []) {
        const look = unknown ? "unknown" : "";
        rows.push({
          key: `${node} ${row.device}`,
          cells: [
            this.name("device", row.device),
            this.name("node", node),
            { text: String(row.sampled), look },
            { text: row.arrived == null ? "unknown" : String(row.arrived), look: row.arrived == null ? "unknown" : look },
            { text: String(row.waiting), look: look || (row.waiting > 20 ? "warn" : "") },
            { text: row.lost == null ? "unknown" : String(row.lost), look: row.lost == null ? "unknown" : row.lost ? "bad" : look },
            { text: row.repeated == null ? "unknown" : String(row.repeated), look: row.repeated == null ? "unknown" : look },
            { text: row.connected ? "yes" : "no", look: look || (row.connected ? "good" : "bad") },
          ],
        });
      }
    }
    const room = byId("samples-unknown");
    while (room.children.length > notes.length) room.lastChild.remove();
    while (room.children.length < notes.length) room.append(element("p", { class: "unknown" }));
    notes.forEach((text, at) => setText(room.children[at], text));
    fillTable(byId("samples-table"), columns, rows);
  }

  pods(lab) {
    const columns = ["name", "namespace", "node", "state", "restarts"];
    const rows = (lab.pods.value ?? []).map((pod) => ({
      key: `${pod.namespace} ${pod.name}`,
      cells: [
        pod.name,
        pod.namespace,
        pod.node || "not scheduled",
        {
          text: `● ${pod.reason || pod.phase}${pod.phase === "Running" && !pod.ready ? ", not ready" : ""}`,
          look: pod.ready || pod.phase === "Succeeded" ? "good" : "bad",
        },
        String(pod.restarts),
      ],
    }));
    fillTable(byId("pods-table"), columns.map((title) => ({ title })), rows);
  }
}

function reported(value, point, now, unknown) {
  if (!value) return { text: "not reported", look: "unknown" };
  const age = value.taken ? ` (${ageOf(now - value.taken * 1e6)} ago)` : "";
  const same = Number(value.value) === Number(point.value);
  return { text: `${value.value}${age}`, look: unknown ? "unknown" : same ? "good" : "" };
}
