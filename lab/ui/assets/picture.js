// The topology: drawn by the server once for each lab, then its states are set here.

import { getSvg } from "./api.js";
import { byId, isKnown, setText, svg } from "./dom.js";

const LINK_STATES = ["up", "impaired", "half-open", "drop", "cut"];

export class Picture {
  constructor(select) {
    this.select = select;
    this.generation = null;
    this.parts = new Map();
  }

  async draw(generation) {
    if (generation === this.generation) return;
    this.generation = generation;
    let root;
    try {
      root = await getSvg("/api/picture");
    } catch {
      this.generation = null; // tried again with the next snapshot
      return;
    }
    const drawn = document.importNode(root, true);
    drawn.setAttribute("role", "group");
    drawn.setAttribute("aria-label", "Topology");
    drawn.removeAttribute("width");
    drawn.removeAttribute("height");
    this.parts.clear();
    for (const group of drawn.querySelectorAll("g[data-name]")) this.adopt(group);
    byId("picture").replaceChildren(drawn);
  }

  adopt(group) {
    const name = group.dataset.name;
    const isLink = group.classList.contains("link");
    const place = isLink ? "link" : group.classList.contains("device") ? "device" : "node";
    if (group.classList.contains("outside")) return;
    if (isLink) {
      const wire = group.querySelector("line");
      wire.classList.add("wire");
      wire.querySelector("title")?.remove();
      const grip = wire.cloneNode(false);
      for (const look of ["stroke", "stroke-width", "stroke-dasharray"]) grip.removeAttribute(look);
      grip.setAttribute("class", "grip");
      group.prepend(grip);
    } else {
      const box = group.querySelector("rect");
      const [x, y] = [Number(box.getAttribute("x")), Number(box.getAttribute("y"))];
      const width = Number(box.getAttribute("width"));
      const middle = x + width / 2;
      group.append(
        svg("circle", { cx: x + width - 14, cy: y + 15, r: 6 }),
        svg("text", { class: "muted state", x: middle, y: y + 62, "font-size": 12, "text-anchor": "middle" }),
        svg("text", { class: "muted count", x: middle, y: y + 79, "font-size": 12, "text-anchor": "middle" }),
      );
    }
    group.setAttribute("role", "button");
    group.setAttribute("tabindex", "0");
    const pressed = () => this.select(place, name);
    group.addEventListener("click", pressed);
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      pressed();
    });
    this.parts.set(`${place} ${name}`, group);
  }

  mark(place, name) {
    for (const [key, group] of this.parts) {
      group.classList.toggle("selected", key === `${place} ${name}`);
    }
  }

  focus(place, name) {
    this.parts.get(`${place} ${name}`)?.focus();
  }

  show(lab) {
    for (const link of lab.links.value ?? []) this.showLink(link, isKnown(lab.links));
    for (const node of lab.nodes.value ?? []) {
      const known = isKnown(lab.nodes);
      const state = known ? (node.ready ? "Ready" : "NotReady") : "unknown";
      this.showBox("node", node.name, known ? node.ready : null, state, podsOn(lab, node.name));
    }
    for (const [name, part] of Object.entries(lab.devices)) {
      const known = isKnown(part);
      const status = part.value?.status;
      const state = !known ? "unknown" : status.reachable ? "reachable" : "not reachable";
      const count = status ? `${status.sequence} values` : "";
      this.showBox("device", name, known ? status.reachable : null, state, count);
    }
    if (!lab.nodes.value) for (const group of this.parts.values()) group.classList.add("is-unknown");
  }

  showLink(link, known) {
    const group = this.parts.get(`link ${link.name}`);
    if (!group) return;
    for (const state of LINK_STATES) group.classList.toggle(state, known && state === link.state);
    group.classList.toggle("is-unknown", !known);
    const state = known ? link.state : "unknown";
    const note = known && link.detail ? link.detail : `${link.frames_tx} / ${link.frames_rx}`;
    setText(group.querySelectorAll("text")[1], state === "up" ? note : link.detail || state);
    const label = `link ${link.name}, ${link.endpoint} to ${link.network}: ${state}`;
    if (group.getAttribute("aria-label") !== label) group.setAttribute("aria-label", label);
  }

  showBox(place, name, good, state, count) {
    const group = this.parts.get(`${place} ${name}`);
    if (!group) return;
    group.classList.toggle("is-good", good === true);
    group.classList.toggle("is-bad", good === false);
    group.classList.toggle("is-unknown", good === null);
    setText(group.querySelector(".state"), state);
    setText(group.querySelector(".count"), count);
    const label = `${place} ${name}: ${state}`;
    if (group.getAttribute("aria-label") !== label) group.setAttribute("aria-label", label);
  }
}

function podsOn(lab, node) {
  const pods = (lab.pods.value ?? []).filter((pod) => pod.node === node);
  if (!pods.length) return "";
  const ready = pods.filter((pod) => pod.ready).length;
  return `${ready} of ${pods.length} pods ready`;
}
