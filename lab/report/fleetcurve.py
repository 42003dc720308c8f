"""Figures of a control plane over the size of a fleet, as curves."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_lab.evidence.fleet import FleetLoad, Objective
from edge_lab.measuring.measures import number_text
from edge_lab.oracles.fleet.load import scale_limit, slowest
from edge_lab.report.canvas import INK, MUTED, RULE, Canvas
from edge_lab.report.startgroups import LINES, round_steps

WIDTH, LEFT, RIGHT = 1150.0, 190.0, 900.0
HEIGHT, GAP, TOP = 120.0, 52.0, 64.0
LIMIT = "#c53030"


@dataclass(frozen=True)
class Line:
    """One figure for all sizes; None if there is no value."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    lines: tuple[Line, ...]
    limit: float | None = None
    limit_name: str = ""


def panels(loads: Sequence[FleetLoad]) -> tuple[Panel, ...]:
    """The curves of loads, in the order of their sizes."""

    def line(name: str, value: Callable[[FleetLoad], float | None]) -> Line:
        return Line(name, tuple(value(load) for load in loads))

    def objective(kind: Objective) -> Line:
        def p99(load: FleetLoad) -> float | None:
            return next(
                (objective.p99_s for objective in load.objectives if objective.verb == kind), None
            )

        return line(f"p99 of {kind}", p99)

    def of_datastore(load: FleetLoad) -> float | None:
        found = slowest(load.datastore)
        return None if found is None else found.p99_s

    def resident(program: str) -> Callable[[FleetLoad], float | None]:
        def mib(load: FleetLoad) -> float | None:
            found = load.load.after.programs.get(program)
            return None if found is None else found.rss_mib

        return mib

    programs = sorted(
        {name for load in loads for name in load.load.after.programs},
        key=lambda name: -max(resident(name)(load) or 0.0 for load in loads),
    )[:5]
    return (
        Panel(
            "API server",
            "s",
            (
                objective(Objective.CHANGE),
                objective(Objective.READ),
                objective(Objective.LIST),
                line("p99 of the datastore", of_datastore),
            ),
            Objective.CHANGE.limit_s,
            "1 s: Kubernetes' objective for change and read",
        ),
        Panel(
            "leases renewed",
            "1/s",
            (
                line("renewed", lambda load: load.renewals / load.seconds),
                line("due", lambda load: load.renewals_due / load.seconds),
            ),
        ),
        Panel(
            "server CPU",
            "%",
            (
                line("busy", lambda load: 100 * load.load.busy),
                line("waiting for the disk", lambda load: 100 * load.load.waiting),
            ),
            100.0,
            "all",
        ),
        Panel(
            "server memory",
            "MiB",
            (
                line("available", lambda load: load.load.after.available_mib),
                *(line(name, resident(name)) for name in programs),
            ),
        ),
        Panel(
            "datastore",
            "MiB",
            (line("on the disk", lambda load: load.load.after.datastore_mib),),
        ),
        Panel(
            "all Ready after",
            "s",
            (line("from the last node's creation", lambda load: load.ready_after_s),),
        ),
    )


def curve_svg(loads: Sequence[FleetLoad]) -> str:
    """The picture; there must be at least one load. Sizes are at equal distances."""
    ordered = sorted(loads, key=lambda load: load.size)
    limit = scale_limit(ordered)
    canvas = Canvas(WIDTH)
    canvas.text(16, 26, f"{ordered[0].runtime}: {limit}", size=13, bold=True)
    shown = panels(ordered)
    xs = _positions(len(ordered))
    bottom = TOP + len(shown) * (HEIGHT + GAP) - GAP
    for x, load in zip(xs, ordered, strict=True):
        fails = load.size == limit.fails_at
        canvas.line(x, TOP - 12, x, bottom, LIMIT if fails else RULE)
        label = f"{load.size} nodes"
        canvas.text(x, TOP - 18, label, size=11, anchor="middle", fill=LIMIT if fails else INK)
    y = TOP
    for panel in shown:
        _draw(canvas, panel, xs, y)
        y += HEIGHT + GAP
    return canvas.svg(y - GAP + 24, "cost of a fleet for the control plane")


def _positions(count: int) -> list[float]:
    if count == 1:
        return [(LEFT + RIGHT) / 2]
    room = RIGHT - LEFT - 80
    return [LEFT + 40 + room * index / (count - 1) for index in range(count)]


def _draw(canvas: Canvas, panel: Panel, xs: Sequence[float], top: float) -> None:
    known = [value for line in panel.lines for value in line.values if value is not None]
    steps = round_steps(max([*known, 1e-3]), 4)
    most, bottom = steps[-1], top + HEIGHT
    canvas.text(16, top + 12, panel.title, size=12, bold=True)
    canvas.text(16, top + 27, panel.unit, size=10.5, fill=MUTED)
    for step in steps:
        y = bottom - HEIGHT * step / most
        canvas.line(LEFT, y, RIGHT, y, RULE)
        canvas.text(LEFT - 8, y + 4, f"{step:g}", size=10, fill=MUTED, anchor="end")
    if panel.limit is not None and panel.limit <= most:
        y = bottom - HEIGHT * panel.limit / most
        canvas.line(LEFT, y, RIGHT, y, LIMIT, stroke_dasharray="4 3")
        canvas.text(LEFT + 4, y - 4, panel.limit_name, size=9.5, fill=LIMIT)
    for number, line in enumerate(panel.lines):
        colour = LINES[number % len(LINES)]
        points = [
            (x, bottom - HEIGHT * value / most, value)
            for x, value in zip(xs, line.values, strict=True)
            if value is not None
        ]
        for (x1, y1, _), (x2, y2, _) in itertools.pairwise(points):
            canvas.line(x1, y1, x2, y2, colour, stroke_width="2")
        for x, y, value in points:
            hint = f"{line.name}: {number_text(value)} {panel.unit}"
            canvas.rect(x - 3, y - 3, 6, 6, colour, hint=hint)
        legend = top + 12 + 17 * number
        canvas.line(RIGHT + 16, legend - 4, RIGHT + 36, legend - 4, colour, stroke_width="2.5")
        last = f" {number_text(points[-1][2])}" if points else " –"
        canvas.text(RIGHT + 42, legend, f"{line.name}{last}", size=10.5)
