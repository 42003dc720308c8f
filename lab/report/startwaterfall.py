"""Two pictures of pod starts: the stages in sequence, and the cumulative distribution."""

from __future__ import annotations

from collections.abc import Sequence

from edge_lab.oracles.scheduling.stages import STARTUP, Stage
from edge_lab.report.canvas import INK, MUTED, RULE, Canvas, shortened, text_width
from edge_lab.report.startgroups import (
    COLOURS,
    LINES,
    WHAT,
    StartGroup,
    round_steps,
    shown,
    slowest,
)

WIDTH, LEFT, RIGHT = 1200, 250, 1000
BAR, ROW = 24, 46
OBJECTIVE = 5.0
"""s: Kubernetes' service level objective for the 99th percentile."""


def waterfall_svg(groups: Sequence[StartGroup]) -> str:
    """The medians of the stages as consecutive bars; the whiskers end at their p90."""
    canvas = Canvas(WIDTH)
    ends = [_ends(group) for group in groups]
    steps = round_steps(max(ends))
    scale = (RIGHT - LEFT) / steps[-1]
    y = _legend(canvas, 24)
    _axis(canvas, steps, scale, y, y + 20 + ROW * len(groups))
    y += 30
    for group in groups:
        _row(canvas, group, y, scale)
        y += ROW
    return canvas.svg(y + 16, "stages of a pod start, medians")


def _ends(group: StartGroup) -> float:
    """The right end of its row, s."""
    at = furthest = 0.0
    for stage in Stage:
        sample = group.stages[stage]
        furthest = max(furthest, at + sample.p90)
        at += sample.p50
    return max(furthest, at, 0.001)


def _legend(canvas: Canvas, y: float) -> float:
    entries = ((COLOURS[stage], f"{stage}: {WHAT[stage]}") for stage in Stage)
    return canvas.legend(y, entries, row=18) + 26


def _axis(canvas: Canvas, steps: Sequence[float], scale: float, top: float, bottom: float) -> None:
    for step in steps:
        x = LEFT + step * scale
        canvas.line(x, top + 6, x, bottom, RULE)
        canvas.text(x, top, f"{step:g}", size=10, fill=MUTED, anchor="middle")
    canvas.text(LEFT - 30, top, "s", size=10, fill=MUTED, anchor="end")
    if steps[-1] >= OBJECTIVE:
        x = LEFT + OBJECTIVE * scale
        canvas.line(x, top + 6, x, bottom, "#c53030", stroke_dasharray="4 3")


def _row(canvas: Canvas, group: StartGroup, y: float, scale: float) -> None:
    title = f"{group.node} ({group.arch})"
    canvas.text(16, y + 10, shortened(title, LEFT - 40, 12), size=12, bold=True, hint=group.name)
    about = f"{group.runtime} · {group.condition} · {len(group.times)} pods"
    canvas.text(16, y + 24, shortened(about, LEFT - 40, 10.5), size=10.5, fill=MUTED)
    stages, x = group.stages, float(LEFT)
    worst = slowest(stages)
    for stage in Stage:
        sample = stages[stage]
        wide = sample.p50 * scale
        hint = (
            f"{stage} ({WHAT[stage]}): p50 {shown(sample.p50, sample)} s, "
            f"p90 {shown(sample.p90, sample)} s"
        )
        canvas.rect(x, y, max(wide, 0.5), BAR, COLOURS[stage], hint=hint)
        label = next(
            (
                text
                for text in (f"{stage} {shown(sample.p50, sample)}", shown(sample.p50, sample))
                if text_width(text, 10) + 6 <= wide
            ),
            "",
        )
        canvas.text(x + wide / 2, y + 14, label, size=10, fill="#fff", anchor="middle")
        x += wide
        reach = x + max(0.0, sample.p90 - sample.p50) * scale
        level = y + BAR + 3 + 2 * (list(Stage).index(stage) % 3)
        canvas.line(x, level, reach, level, COLOURS[stage], stroke_width="2")
        canvas.line(reach, level - 2, reach, level + 2, COLOURS[stage], stroke_width="2")
    whole = sum(stages[stage].p50 for stage in STARTUP)
    share = 100 * stages[worst].p50 / max(sum(stages[stage].p50 for stage in Stage), 1e-9)
    start = group.startup
    canvas.text(RIGHT + 14, y + 10, f"start {shown(start.p50, start)} s", size=12, bold=True)
    said = f"slowest: {worst}, {share:.0f} %" if whole else "nothing is measured"
    canvas.text(RIGHT + 14, y + 24, said, size=10.5, fill=COLOURS[worst], bold=True)


def distribution_svg(groups: Sequence[StartGroup]) -> str:
    """The share of pods that were Running over time, a line for each group."""
    canvas = Canvas(WIDTH)
    height, top = 220.0, 24.0
    steps = round_steps(max(group.startup.most for group in groups))
    scale = (RIGHT - LEFT) / steps[-1]
    bottom = top + height
    for step in steps:
        x = LEFT + step * scale
        canvas.line(x, top, x, bottom, RULE)
        canvas.text(x, bottom + 15, f"{step:g}", size=10, fill=MUTED, anchor="middle")
    canvas.text(RIGHT + 14, bottom + 15, "s from the creation", size=10, fill=MUTED)
    for percent in (0, 50, 90, 100):
        y = bottom - height * percent / 100
        canvas.line(LEFT, y, RIGHT, y, RULE)
        canvas.text(LEFT - 8, y + 4, f"{percent} %", size=10, fill=MUTED, anchor="end")
    if steps[-1] >= OBJECTIVE:
        x = LEFT + OBJECTIVE * scale
        canvas.line(x, top, x, bottom, "#c53030", stroke_dasharray="4 3")
        canvas.text(x + 4, top + 10, "5 s: Kubernetes' objective", size=9.5, fill="#c53030")
    y = bottom + 36
    for number, group in enumerate(groups):
        colour = LINES[number % len(LINES)]
        _steps(canvas, group, colour, scale, bottom, height)
        canvas.line(LEFT, y - 4, LEFT + 26, y - 4, colour, stroke_width="2.5")
        canvas.text(LEFT + 34, y, shortened(group.name, 700, 11), fill=INK)
        y += 17
    return canvas.svg(y + 4, "pods that run, by time from the creation")


def _steps(
    canvas: Canvas, group: StartGroup, colour: str, scale: float, bottom: float, height: float
) -> None:
    values = group.startup.values
    x, y = float(LEFT), bottom
    for number, value in enumerate(values, 1):
        right, up = LEFT + value * scale, bottom - height * number / len(values)
        canvas.line(x, y, right, y, colour, stroke_width="2")
        canvas.line(right, y, right, up, colour, stroke_width="2")
        x, y = right, up
    canvas.line(x, y, RIGHT, y, colour, stroke_width="2")
