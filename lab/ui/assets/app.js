// The page: one snapshot of the lab each second, shown everywhere.

import { listen } from "./api.js";
import { ageOf, byId, element, setText, timeOf } from "./dom.js";
import { Inspector } from "./inspector.js";
import { Logs } from "./logs.js";
import { Picture } from "./picture.js";
import { Tables } from "./tables.js";
import { drawTimeline } from "./timeline.js";

const AGAIN_MS = 2000;

const say = (text) => setText(byId("announce"), text);
const picture = new Picture(select);
const inspector = new Inspector(say, (place, name) => {
  picture.mark(null, null);
  picture.focus(place, name);
});
const tables = new Tables(select, (ids) => inspector.heal(ids));
const logs = new Logs();
let before = null;

function select(place, name) {
  picture.mark(place, name);
  inspector.select(place, name);
}

function show(lab) {
  document.title = `lab ${lab.lab}`;
  setText(byId("title"), `lab ${lab.lab}`);
  setText(byId("stack"), [lab.stack, lab.addons.join(", "), lab.stack && (lab.restored ? "from checkpoint" : "cold start")].filter(Boolean).join(" · "));
  const stage = lab.condition.stage;
  const up = stage === "up";
  const condition = byId("condition");
  setText(condition, stage.replace("-", " "));
  condition.className = `badge ${up ? "good" : stage === "starting" ? "warn" : "bad"}`;
  byId("read-only").hidden = !lab.read_only;
  const banner = byId("banner");
  banner.hidden = up;
  setText(banner, up ? "" : `${lab.condition.message} (since ${timeOf(lab.condition.since)}). ${lab.condition.remedy}`);
  setText(byId("clock"), timeOf(lab.now));
  if (lab.generation) picture.draw(lab.generation).then(() => picture.show(lab));
  if (lab.generation && stage !== "not-up") logs.list(lab);
  picture.show(lab);
  tables.show(lab);
  inspector.show(lab);
  inspector.told(lab.actions);
  drawTimeline(lab, Number(byId("window").value));
  showActions(lab);
  tellChanges(lab);
  before = lab;
}

function showActions(lab) {
  const room = byId("actions");
  const key = lab.actions.map((action) => `${action.id} ${action.state}`).join();
  const running = lab.actions.some((action) => action.state === "running");
  if (room.dataset.key === key && !running) return;
  room.dataset.key = key;
  const items = lab.actions.map((action) => {
    const took = ageOf((action.ended ?? lab.now) - action.began);
    const what = { running: `waiting for a proof, ${took}`, seen: `seen after ${took}: ${action.text}`, failed: `failed after ${took}: ${action.text}` };
    return element(
      "li", { class: action.state },
      element("code", { class: "command" }, action.command),
      element("span", { class: action.state === "failed" ? "bad" : action.state === "seen" ? "good" : "muted" }, `${timeOf(action.began)} ${what[action.state]}`),
      action.remedy ? element("div", { class: "muted" }, action.remedy) : null,
    );
  });
  room.replaceChildren(...(items.length ? items : [element("li", { class: "muted" }, lab.read_only ? "This page is read-only." : "No actions yet.")]));
}

// To a screen reader: what has changed, not what is.
function tellChanges(lab) {
  if (!before) return;
  const news = [];
  const compare = (now, then, key, text) => {
    const old = new Map((then ?? []).map((each) => [each[key], each]));
    for (const each of now ?? []) {
      const was = old.get(each[key]);
      const said = text(each);
      if (was ? said !== text(was) : false) news.push(said);
    }
  };
  compare(lab.links.value, before.links.value, "name", (link) => `link ${link.name} is ${link.state}`);
  compare(lab.nodes.value, before.nodes.value, "name", (node) => `node ${node.name} is ${node.ready ? "ready" : "not ready"}`);
  compare(lab.actions, before.actions, "id", (action) =>
    action.state === "running" ? "" : `${action.state === "seen" ? "seen" : "failed"}: ${action.text}`);
  if (lab.condition.stage !== before.condition.stage) news.push(lab.condition.stage === "up" ? "the lab is up" : lab.condition.message);
  if (news.length) say(news.join(". "));
}

function connection(text, look) {
  setText(byId("connection"), text);
  byId("connection").className = `badge ${look}`;
}

async function run() {
  for (;;) {
    try {
      await listen((lab) => {
        connection("live", "good");
        show(lab);
      });
    } catch (trouble) {
      const wrong = trouble.status === 401;
      connection(wrong ? "token missing or wrong" : `no connection since ${timeOf(Date.now() * 1e6)}`, "bad");
      if (wrong) {
        byId("banner").hidden = false;
        setText(byId("banner"), "The token is missing or wrong: open the address that `lab ui` has printed.");
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

const theme = byId("theme");
theme.value = localStorage.getItem("edge-lab-theme") ?? "";
const applyTheme = () => {
  if (theme.value) document.documentElement.dataset.theme = theme.value;
  else delete document.documentElement.dataset.theme;
  localStorage.setItem("edge-lab-theme", theme.value);
};
theme.addEventListener("change", applyTheme);
applyTheme();

byId("heal-all").addEventListener("click", () => inspector.heal([]));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") inspector.close();
});
run();
