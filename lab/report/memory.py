"""The memory of each node by part: a stacked area over time, and a table of one moment.

It has the time axis of the timeline, so that they can be compared. The areas add up to the memory
of the machine, which is the line at the top."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from edge_lab.evidence.memory import Group, NodeMemorySeen, PressureSeen
from edge_lab.evidence.recording import Recording
from edge_lab.oracles.spans import NANOSECONDS, Span, held, united
from edge_lab.report.canvas import INK, MUTED, RULE, Axis, Canvas, shortened
from edge_lab.report.faultbars import FAULT, active_span

WIDTH, LEFT, RIGHT = 1200, 196, 1180
HEIGHT = 190
"""Height of one node's area."""
ROW = 18
GIBIBYTE = 1024.0

COLOURS = {
    Group.RESERVED: "#39424e",
    Group.KERNEL: "#7b8794",
    Group.UNACCOUNTED: "#f0b429",
    Group.SYSTEM: "#7b4bb7",
    Group.CONTROL_PLANE: "#c05621",
    Group.EDGE_RUNTIME: "#2b6cb0",
    Group.CONTAINERD: "#63b3ed",
    Group.CRI_O: "#90cdf4",
    Group.ADD_ONS: "#38a3a5",
    Group.PODS: "#57b894",
    Group.PAGE_CACHE: "#cfe8dc",
    Group.FREE: "#f4f6f8",
}
"""From the bottom: permanent memory first, available memory last."""

SHADE, PRESSURE, LIMIT = "#fdf1f1", "#c53030", "#1f2933"

_Height = Callable[[float], float]
"""The position of an amount of MiB on the canvas."""


def memory_svg(recording: Recording, title: str) -> str:
    """The picture as SVG; empty if no node's memory was read."""
    looks = recording.seen(NodeMemorySeen)
    nodes = sorted({look.node for look in looks})
    return _Page(recording, nodes).draw(title) if nodes else ""


class _Page:
    def __init__(self, recording: Recording, nodes: Sequence[str]) -> None:
        self._recording = recording
        self._nodes = nodes
        times = [look.time for look in recording.seen(NodeMemorySeen)]
        zero = min((record.began for record in recording.faults), default=recording.began)
        end = max(recording.ended, *times, min(times) + NANOSECONDS)
        self._axis = Axis(Span(min(times), end), zero, LEFT, RIGHT)
        self._canvas = Canvas(WIDTH)

    def draw(self, title: str) -> str:
        self._canvas.text(16, 28, shortened(title, WIDTH - 40, 16), size=16, bold=True)
        about = f"{self._recording.runtime} · memory of each node · seconds from "
        about += "the first fault" if self._recording.faults else "the beginning"
        self._canvas.text(16, 46, about, fill=MUTED)
        y = 66.0
        for node in self._nodes:
            self._node(node, y)
            y += HEIGHT + 62
        return self._canvas.svg(self._legend(y) + 10, title)

    def _node(self, node: str, top: float) -> None:
        looks = [look for look in self._recording.seen(NodeMemorySeen) if look.node == node]
        base = top + HEIGHT
        machine = max(look.machine_mib for look in looks)
        most = max(machine, *(look.total_mib for look in looks)) * 1.06

        def height(mib: float) -> float:
            return base - max(0.0, mib) / most * HEIGHT

        for span in united(active_span(record, self._axis) for record in self._recording.faults):
            wide = max(1.0, self._axis.width(span))
            x = min(self._axis.x(span.start), RIGHT - wide)
            self._canvas.rect(x, top - 8, wide, HEIGHT + 22, SHADE)
        for group, outline in _areas(looks, self._axis, height):
            self._canvas.polygon(outline, COLOURS[group])
        self._lines(looks, machine, height)
        self._pressure(node, base + 3)
        self._scale(base, height, machine)
        self._names(node, looks, top)

    def _lines(self, looks: Sequence[NodeMemorySeen], machine: float, height: _Height) -> None:
        y = height(machine)
        self._canvas.line(LEFT, y, RIGHT, y, LIMIT, stroke_width="1.6")
        said = f"{machine / GIBIBYTE:g} GiB" if machine % 256 == 0 else f"{machine:.0f} MiB"
        self._canvas.text(RIGHT, y - 4, said, size=10, anchor="end", bold=True)
        usable = height(looks[-1].total_mib)
        self._canvas.line(LEFT, usable, RIGHT, usable, MUTED, stroke_dasharray="4 3")
        self._canvas.text(LEFT + 4, usable + 10, "MemTotal", size=9, fill=INK)
        for record in self._recording.faults:
            x = self._axis.x(record.began)
            bottom = height(0)
            self._canvas.line(x, y - 8, x, bottom, FAULT, stroke_dasharray="3 3")

    def _pressure(self, node: str, y: float) -> None:
        """A bar below the area for as long as the API server shows MemoryPressure."""
        seen = [look for look in self._recording.seen(PressureSeen) if look.node == node]
        changes = [(look.time, look.condition) for look in seen]
        self._canvas.text(28, y + 8, "MemoryPressure", size=10, fill=MUTED)
        for hold in held(changes, self._axis.span.end):
            if hold.value == "True":
                x = self._axis.x(hold.span.start)
                wide = max(2.0, self._axis.width(hold.span))
                hint = f"MemoryPressure for {hold.span.seconds:.0f} s"
                self._canvas.rect(min(x, RIGHT - wide), y, wide, 8, PRESSURE, hint=hint)

    def _scale(self, base: float, height: _Height, machine: float) -> None:
        step = 512 if machine >= 1024 else 128
        for mib in range(0, int(machine) + 1, step):
            y = height(mib)
            self._canvas.line(LEFT - 4, y, LEFT, y, MUTED)
            self._canvas.text(LEFT - 7, y + 3, f"{mib}", size=9, fill=MUTED, anchor="end")
        for time in self._axis.ticks():
            x = self._axis.x(time)
            self._canvas.line(x, base, x, base + 14, RULE)
            text = f"{self._axis.seconds(time):.0f}"
            self._canvas.text(x, base + 25, text, size=10, fill=MUTED, anchor="middle")
        self._canvas.text(LEFT - 34, base + 25, "s", size=10, fill=MUTED, anchor="end")

    def _names(self, node: str, looks: Sequence[NodeMemorySeen], top: float) -> None:
        name = shortened(node, LEFT - 60, 13)
        self._canvas.text(16, top + 12, name, size=13, bold=True, hint=node)
        lowest = min(look.available_mib for look in looks)
        missing = max(look.of(Group.UNACCOUNTED) for look in looks)
        available = f"at least {lowest:.0f} MiB available"
        unknown = f"not accounted for: {missing:.0f} MiB"
        self._canvas.text(16, top + 30, available, size=10, fill=MUTED)
        self._canvas.text(16, top + 44, unknown, size=10, fill=MUTED)

    def _legend(self, y: float) -> float:
        """Draws it, and returns where it ends."""
        entries = ((fill, group.value) for group, fill in COLOURS.items())
        return self._canvas.legend(y, entries, row=ROW, stroke=RULE)


def _areas(
    looks: Sequence[NodeMemorySeen], axis: Axis, height: _Height
) -> Iterable[tuple[Group, list[tuple[float, float]]]]:
    """By group, the outline of its area; each value holds until the next reading."""
    floors = [0.0] * len(looks)
    xs = [axis.x(look.time) for look in looks]
    ends = [*xs[1:], axis.x(axis.span.end)]
    for group in COLOURS:
        tops = [floor + max(0.0, look.of(group)) for floor, look in zip(floors, looks, strict=True)]
        if any(top > floor for top, floor in zip(tops, floors, strict=True)):
            upper = _steps(xs, ends, tops, height)
            lower = _steps(xs, ends, floors, height)
            yield group, [*upper, *reversed(lower)]
        floors = tops


def _steps(
    xs: Sequence[float], ends: Sequence[float], values: Sequence[float], height: _Height
) -> list[tuple[float, float]]:
    points = []
    for x, end, value in zip(xs, ends, values, strict=True):
        points += [(x, height(value)), (end, height(value))]
    return points


def memory_table(seen: NodeMemorySeen) -> str:
    """One moment of a node, as text: each part, and the sums of the groups."""
    lines = [f"{seen.node}: {seen.machine_mib:.0f} MiB, of which {seen.total_mib:.1f} are MemTotal"]
    lines.append(f"{'MiB':>9} {'charged':>9} {'peak':>9} {'PSS':>9}  kills")
    for group in COLOURS:
        parts = [part for part in seen.parts if part.group is group]
        if not parts:
            continue
        lines.append(f"{seen.of(group):9.1f} {'':29}         {group.value}")
        if len(parts) == 1 and parts[0].name == group.value:
            continue
        for part in sorted(parts, key=lambda part: -part.mib):
            figures = (part.charged_mib, part.peak_mib, part.pss_mib)
            shown = " ".join(" " * 9 if mib is None else f"{mib:9.1f}" for mib in figures)
            kills = "" if part.oom_kills is None else part.oom_kills
            lines.append(f"{part.mib:9.1f} {shown:29} {kills:>6}    {part.name}")
    total = sum(part.mib for part in seen.parts)
    lines.append(f"{total:9.1f} {'':29}         sum; {seen.available_mib:.1f} are available")
    return "\n".join(lines)
