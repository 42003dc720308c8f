"""The picture of a start: its steps as bars on a time axis, a band for each lane."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.core.steprecord import Outcome
from edge_lab.evidence.chrometrace import lane_name
from edge_lab.evidence.steptimes import StepTimes, step_times
from edge_lab.evidence.trace import MICROSECOND, StartTrace, TracedStep
from edge_lab.oracles.spans import NANOSECONDS, Span
from edge_lab.report.canvas import INK, MUTED, RULE, Axis, Canvas, shortened, text_width

WIDTH, LEFT, RIGHT = 1200, 108, 1180
TOP = 84
ROW, BAR = 24, 21
FONT = 10.5
FILLS = ("#bfdbf2", "#d8e9f7")
"""Alternating colours of rows: a step, and those inside it."""
FAILED, FAILED_FILL, UNFINISHED_FILL = "#c53030", "#fbd0d0", "#e2e8f0"
CRITICAL = "#dd6b20"
_LEAST_LABEL = 38
"""Pixels of a bar below which a shortened title is useless."""


@dataclass(frozen=True)
class _Bar:
    step: TracedStep
    times: StepTimes
    row: int
    """From the top of all."""


def seconds(microseconds: int) -> str:
    """With a useful number of digits: 104 s, 15.4 s, 0.08 s."""
    value = microseconds / 1e6
    return (
        f"{value:.0f} s" if value >= 100 else f"{value:.1f} s" if value >= 1 else f"{value:.2f} s"
    )


def waterfall_svg(trace: StartTrace) -> str:
    """The picture; the trace must have at least one step."""
    return _Waterfall(trace).draw()


def heading(trace: StartTrace) -> str:
    words = (f"lab {trace.lab}", trace.stack, trace.kind, seconds(trace.end), trace.began)
    return " · ".join(word for word in words if word)


class _Waterfall:
    def __init__(self, trace: StartTrace) -> None:
        self._trace = trace
        self._canvas = Canvas(WIDTH)
        span = Span(0, max(trace.end * MICROSECOND, NANOSECONDS // 1000))
        self._axis = Axis(span, 0, LEFT, RIGHT)
        self._bars, self._bands = _rows(step_times(trace.steps))

    def draw(self) -> str:
        canvas, title = self._canvas, heading(self._trace)
        canvas.text(16, 28, shortened(title, WIDTH - 40, 15), size=15, bold=True)
        self._legend(48)
        bottom = TOP + ROW * (self._bands[-1][2] + 1) + 6
        self._scale(bottom)
        for lane, first, last in self._bands:
            y = self._top(first)
            canvas.line(16, y - 3, RIGHT, y - 3, RULE)
            if lane == 1 or last:
                canvas.text(16, y + 14, lane_name(lane), size=FONT, fill=MUTED)
        for bar in self._bars:
            self._bar(bar)
        self._labels()
        return canvas.svg(bottom + 10, title)

    def _top(self, row: int) -> float:
        return TOP + row * ROW

    def _x(self, time: int) -> float:
        return self._axis.x(time * MICROSECOND)

    def _legend(self, y: float) -> None:
        x = 16.0
        for fill, words in (
            (FILLS[0], "step, with its own steps below it"),
            (CRITICAL, "critical path"),
            (FAILED_FILL, "failed"),
        ):
            self._canvas.rect(x, y - 9, 14, 10, fill, stroke=RULE)
            self._canvas.text(x + 20, y, words, size=FONT, fill=MUTED)
            x += 20 + text_width(words, FONT) + 12

    def _scale(self, bottom: float) -> None:
        for time in self._axis.ticks():
            x = self._axis.x(time)
            self._canvas.line(x, TOP - 8, x, bottom, RULE)
            text = f"{self._axis.seconds(time):.0f}"
            self._canvas.text(x, TOP - 12, text, size=10, fill=MUTED, anchor="middle")
        self._canvas.text(LEFT - 14, TOP - 12, "s", size=10, fill=MUTED, anchor="end")

    def _bar(self, bar: _Bar) -> None:
        step, y = bar.step, self._top(bar.row)
        x, end = self._x(step.begin), self._x(step.end)
        wide = max(1.0, end - x)
        x = min(x, RIGHT - wide)
        if step.failed:
            fill, more = FAILED_FILL, {"stroke": FAILED, "stroke_width": "1.2"}
        else:
            unfinished = step.outcome is Outcome.UNFINISHED
            fill = UNFINISHED_FILL if unfinished else FILLS[bar.row % 2]
            more = {"stroke": "#ffffff", "stroke_width": "0.8"} if wide > 3 else {}
        self._canvas.rect(x, y, wide, BAR, fill, hint=hint(bar.times), **more)
        for since, until in bar.times.critical:
            left = self._x(since)
            right = max(left + 0.6, self._x(until))
            self._canvas.rect(left, y + BAR - 4, right - left, 4, CRITICAL)

    def _labels(self) -> None:
        """Labels, the longest first: in the bar, otherwise to its right if there is room."""
        taken: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for bar in self._bars:
            taken[bar.row].append((self._x(bar.step.begin), self._x(bar.step.end)))
        for bar in sorted(self._bars, key=lambda bar: -bar.step.length):
            self._label(bar, taken[bar.row])

    def _label(self, bar: _Bar, taken: list[tuple[float, float]]) -> None:
        step, y = bar.step, self._top(bar.row) + 13
        x, end = self._x(step.begin), self._x(step.end)
        sign = "✗ " if step.failed else ""
        text = f"{sign}{step.title} {seconds(step.length)}"
        wide = text_width(text, FONT) + 8
        fill = FAILED if step.failed else INK
        if wide <= end - x:
            self._canvas.text(x + 4, y, text, size=FONT, fill=fill, hint=hint(bar.times))
            return
        beside = (end, end + wide)
        if beside[1] <= RIGHT and not any(_overlap(beside, other) for other in taken):
            taken.append(beside)
            self._canvas.text(end + 4, y, text, size=FONT, fill=fill, hint=hint(bar.times))
        elif end - x >= _LEAST_LABEL:
            short = shortened(sign + step.title, end - x - 8, FONT)
            self._canvas.text(x + 4, y, short, size=FONT, fill=fill, hint=hint(bar.times))


def hint(times: StepTimes) -> str:
    """The tooltip of a step."""
    step = times.step
    said = [
        f"{step.title}: {seconds(step.length)}, from {seconds(step.begin)}",
        f"self {seconds(times.own)}, on the critical path {seconds(times.critical_length)}",
    ]
    if step.outcome is not Outcome.ENDED:
        said.append(f"{step.outcome.value}: {step.detail}".removesuffix(": "))
    if step.cut:
        said.append(f"continued for {seconds(step.cut)} after its parent step had ended")
    return "\n".join(said)


def _overlap(span: tuple[float, float], other: tuple[float, float]) -> bool:
    return max(span[0], other[0]) < min(span[1], other[1])


def _rows(times: Iterable[StepTimes]) -> tuple[list[_Bar], list[tuple[int, int, int]]]:
    """The bars with their rows, and for each lane its number, first and last row."""
    lanes: dict[int, list[StepTimes]] = defaultdict(list)
    for found in times:
        lanes[found.step.lane].append(found)
    bars: list[_Bar] = []
    bands: list[tuple[int, int, int]] = []
    row = 0
    for lane in sorted(lanes):
        depths = _depths([found.step for found in lanes[lane]])
        for found in lanes[lane]:
            bars.append(_Bar(found.step, found, row + depths[found.step.id]))
        last = row + max(depths.values())
        bands.append((lane, row, last))
        row = last + 1
    return bars, bands


def _depths(steps: Sequence[TracedStep]) -> dict[int, int]:
    """The nesting depth of each step in its lane."""
    found: dict[int, int] = {}
    under_way: list[TracedStep] = []
    for step in steps:
        while under_way and under_way[-1].end <= step.begin:
            under_way.pop()
        found[step.id] = len(under_way)
        under_way.append(step)
    return found
