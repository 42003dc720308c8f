// What is selected: its state, its faults, and the forms by which it is broken.

import { getJson, post } from "./api.js";
import { byId, element, setText, timeOf } from "./dom.js";

export class Inspector {
  constructor(say, back) {
    this.say = say; // announces to a screen reader
    this.back = back; // the focus goes back to what was selected
    this.place = null;
    this.name = null;
    this.lab = null;
    this.forms = [];
  }

  async select(place, name) {
    [this.place, this.name, this.forms] = [place, name, []];
    setText(byId("inspector-title"), `${place} ${name}`);
    this.state = element("p", { id: "selected-state" });
    this.active = element("div", { id: "selected-faults" });
    this.breaking = element("div", { id: "breaking" });
    byId("inspector-body").replaceChildren(this.state, this.active, this.breaking);
    this.refresh();
    byId("inspector-title").focus();
    if (this.lab?.read_only) return;
    try {
      this.forms = await getJson("/api/forms", { place, name });
    } catch (trouble) {
      this.breaking.replaceChildren(refusal(trouble));
      return;
    }
    if (this.place === place && this.name === name) this.offer();
  }

  close() {
    if (!this.place) return;
    const [place, name] = [this.place, this.name];
    this.place = this.name = null;
    setText(byId("inspector-title"), "Nothing selected");
    byId("inspector-body").replaceChildren(element("p", { class: "hint" }, "Select a link, node or device."));
    this.back(place, name);
  }

  show(lab) {
    this.lab = lab;
    if (this.place) this.refresh();
  }

  refresh() {
    if (!this.lab) return;
    setText(this.state, describe(this.lab, this.place, this.name));
    const here = (this.lab.faults.value ?? []).filter(
      (fault) => fault.healed == null && fault.parts.includes(this.name),
    );
    const key = here.map((fault) => `${fault.id} ${fault.seen} ${fault.heal_began}`).join();
    if (this.active.dataset.key === key) return;
    this.active.dataset.key = key;
    this.active.replaceChildren(...here.map((fault) => this.activeFault(fault)));
  }

  activeFault(fault) {
    const parts = [
      element("h3", { class: "bad" }, `fault ${fault.id}: ${fault.title}`),
      element("p", {}, fault.seen == null ? `since ${timeOf(fault.began)}, not seen yet` : `since ${timeOf(fault.began)}; proof: ${fault.proof}`),
    ];
    if (!this.lab.read_only) {
      const button = element("button", { type: "button", class: "do" }, `Heal fault ${fault.id}`);
      button.addEventListener("click", () => this.heal([fault.id], button));
      parts.push(button, element("code", { class: "command" }, fault.command));
    }
    return element("div", {}, ...parts);
  }

  offer() {
    const choice = element("select", { id: "fault-kind" });
    this.forms.forEach((form, at) => {
      const label = form.impossible ? `${form.title} (not possible)` : form.title;
      choice.append(element("option", { value: at, disabled: Boolean(form.impossible) }, label));
    });
    const first = this.forms.findIndex((form) => !form.impossible);
    this.form = element("form", {});
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.inject();
    });
    this.form.addEventListener("input", () => this.preview());
    choice.addEventListener("change", () => this.fields(this.forms[choice.value]));
    this.breaking.replaceChildren(
      element("h3", {}, "Inject a fault"),
      element("p", {}, element("label", { for: "fault-kind" }, "Fault "), choice),
      this.form,
    );
    if (first >= 0) {
      choice.value = String(first);
      this.fields(this.forms[first]);
    }
  }

  fields(form) {
    this.chosen = form;
    const rows = [element("p", { class: "both muted" }, form.meaning)];
    for (const field of form.fields) {
      const id = `field-${field.name}`;
      const short = field.name.split(".").pop();
      const label = element("label", { for: id }, field.name.startsWith("does.") ? short : field.name);
      rows.push(label, input(field, id));
      if (field.examples.length) {
        const options = field.examples.map((value) => element("option", { value }));
        rows.push(element("datalist", { id: `${id}-examples` }, ...options));
      }
      if (field.description) rows.push(element("small", { class: "both muted" }, field.description));
    }
    this.command = element("code", { class: "both command", id: "command" });
    this.result = element("div", { class: "both", role: "status", id: "result" });
    const button = element("button", { type: "submit", class: "do", id: "inject" }, `Inject ${form.title}`);
    rows.push(element("p", { class: "both muted" }, "Equivalent command:"), this.command);
    rows.push(element("div", { class: "both" }, button), this.result);
    this.form.replaceChildren(...rows);
    this.preview();
  }

  words() {
    const given = this.chosen.fields.flatMap((field) => {
      const value = this.form.querySelector(`[data-field="${CSS.escape(field.name)}"]`).value.trim();
      return value === "" || value === field.default ? [] : [`${field.name}=${value}`];
    });
    return [...this.chosen.words, ...given];
  }

  preview() {
    const quoted = this.words().map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`));
    setText(this.command, ["lab fault add --lab", this.lab.lab, ...quoted].join(" "));
  }

  async inject() {
    const button = this.form.querySelector("#inject");
    button.disabled = true;
    try {
      await this.watched(await post("/api/faults", { words: this.words() }));
    } catch (trouble) {
      this.result.replaceChildren(refusal(trouble));
    } finally {
      button.disabled = false;
    }
  }

  async heal(ids, button) {
    if (button) button.disabled = true;
    try {
      const action = await post("/api/heal", { ids });
      byId("notice").hidden = true;
      this.say(`healing: ${action.command}`);
    } catch (trouble) {
      byId("notice").hidden = false;
      setText(byId("notice"), `not healed: ${trouble.message} ${trouble.remedy ?? ""}`);
      if (button) button.disabled = false;
    }
  }

  watched(action) {
    const result = this.result;
    result.replaceChildren(element("p", {}, "Injected; waiting for its effect to be seen …"));
    return new Promise((resolve) => {
      this.waiting = { id: action.id, result, resolve };
    });
  }

  // The end of the action that this form waits for.
  told(actions) {
    const action = actions.find((each) => each.id === this.waiting?.id);
    if (!action || action.state === "running") return;
    const { result, resolve } = this.waiting;
    this.waiting = null;
    const good = action.state === "seen";
    result.replaceChildren(
      element("p", { class: good ? "good" : "bad" }, `${good ? "Seen: " : "Failed: "}${action.text}`),
      action.remedy ? element("p", { class: "muted" }, action.remedy) : "",
    );
    resolve();
  }
}

function input(field, id) {
  const own = { id, "data-field": field.name };
  if (field.input === "choice") {
    const options = field.choices.map((choice) => element("option", { value: choice, selected: choice === field.default }, choice));
    if (!field.default) options.unshift(element("option", { value: "" }, "any"));
    return element("select", own, ...options);
  }
  const number = field.input === "number" || field.input === "whole";
  return element("input", {
    ...own,
    type: number ? "number" : "text",
    step: number ? (field.input === "whole" ? 1 : "any") : null,
    value: field.default || null,
    required: field.required,
    list: field.examples.length ? `${id}-examples` : null,
    autocomplete: "off",
  });
}

function refusal(trouble) {
  return element(
    "div", { class: "bad" },
    element("p", {}, trouble.message),
    trouble.remedy ? element("p", { class: "muted" }, trouble.remedy) : null,
  );
}

function describe(lab, place, name) {
  const find = (part) => part.value?.find((each) => each.name === name);
  const aged = (part, text) => (part.unknown_since == null ? text : `unknown since ${timeOf(part.unknown_since)}; last known: ${text}`);
  if (place === "link") {
    const link = find(lab.links);
    if (!link) return "not known yet";
    return aged(lab.links, `${link.endpoint} to ${link.network}: ${link.detail || link.state}; frames sent ${link.frames_tx}, received ${link.frames_rx}`);
  }
  if (place === "node") {
    const node = find(lab.nodes);
    if (!node) return "not known yet";
    return aged(lab.nodes, `${node.ready ? "Ready" : "NotReady"}; ${node.arch}, ${node.memory_mib} MiB, ${node.runtime}, ${node.address}`);
  }
  const part = lab.devices[name];
  const status = part?.value?.status;
  if (!status) return "not known yet";
  return aged(part, `${status.reachable ? "reachable" : "not reachable"}; ${status.protocol}, ${status.address}, ${status.sequence} values`);
}
