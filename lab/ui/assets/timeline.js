// Faults on a time axis that moves: what was, what is, what the plan will do, and now.

import { byId, svg, timeOf } from "./dom.js";

const WIDTH = 1200;
const LEFT = 250;
const ROW = 20;
const TOP = 22;
const MOST_ROWS = 14;

export function drawTimeline(lab, windowSeconds) {
  const now = lab.now / 1e9;
  const plan = lab.plan.value;
  const planEnd = plan ? plan.began / 1e9 + plan.lasts_s : now;
  const from = now - windowSeconds;
  // What is planned takes a third at most, however long the plan is.
  const to = Math.max(now + windowSeconds / 12, Math.min(planEnd, now + windowSeconds / 2));
  const x = (seconds) => LEFT + ((Math.min(Math.max(seconds, from), to) - from) / (to - from)) * (WIDTH - LEFT - 10);

  const rows = [];
  for (const fault of lab.faults.value ?? []) {
    const ended = fault.healed == null ? now : fault.healed / 1e9;
    if (ended < from) continue;
    rows.push({ title: `${fault.id} ${fault.title}`, bars: faultBars(fault, now), fault });
  }
  for (const item of plan?.faults ?? []) {
    const [begins, ends] = [plan.began / 1e9 + item.at_s, plan.began / 1e9 + item.ends_s];
    if (ends <= now) continue;
    // What has begun is a fault of its own, and the plan says when it is to be healed.
    const begun = begins > now ? null : rows.find((row) => row.fault?.title === item.title && row.fault.healed == null);
    const bar = { look: "planned", from: Math.max(begins, now), to: ends };
    if (begun) begun.bars.push(bar);
    else if (begins > now) rows.push({ title: item.title, bars: [bar] });
  }
  const shown = rows.slice(-MOST_ROWS);
  const height = TOP + Math.max(1, shown.length) * ROW + 8;
  const root = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${height}`,
    role: "img",
    "aria-label": `Timeline of ${rows.length} faults; the table below has the same data`,
  });
  for (const seconds of ticks(from, to)) {
    root.append(
      svg("line", { class: "tick", x1: x(seconds), x2: x(seconds), y1: TOP - 6, y2: height }),
      svg("text", { x: x(seconds), y: 12, "text-anchor": "middle" }, timeOf(seconds * 1e9).slice(0, 5)),
    );
  }
  if (!shown.length) root.append(svg("text", { x: 0, y: TOP + 14 }, "no faults in this period"));
  shown.forEach((row, at) => {
    const y = TOP + at * ROW;
    root.append(svg("text", { class: "title", x: 0, y: y + 14 }, clipped(row.title)));
    for (const bar of row.bars) {
      const width = Math.max(2, x(bar.to) - x(bar.from));
      root.append(svg("rect", { class: bar.look, x: x(bar.from), y: y + 3, width, height: ROW - 7, rx: 3 }));
    }
  });
  root.append(
    svg("line", { class: "now", x1: x(now), x2: x(now), y1: TOP - 6, y2: height }),
    svg("text", { class: "now-label", x: x(now) + 4, y: height - 2 }, "now"),
  );
  byId("timeline").replaceChildren(root);
}

// Faint until its effect was seen, and from the begin of the heal until the recovery was seen.
function faultBars(fault, now) {
  const seconds = (ns) => ns / 1e9;
  const end = fault.healed == null ? now : seconds(fault.healed);
  if (fault.seen == null) return [{ look: "unseen", from: seconds(fault.began), to: end }];
  const healing = fault.heal_began == null ? end : seconds(fault.heal_began);
  const look = fault.healed == null ? "fault" : "healed";
  return [
    { look: "unseen", from: seconds(fault.began), to: seconds(fault.seen) },
    { look, from: seconds(fault.seen), to: Math.max(seconds(fault.seen), Math.min(healing, end)) },
    { look: "unseen", from: healing, to: end },
  ];
}

function ticks(from, to) {
  const step = [30, 60, 120, 300, 600, 900].find((each) => (to - from) / each <= 14) ?? 1800;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return found;
}

const clipped = (title) => (title.length > 38 ? `${title.slice(0, 37)}…` : title);
