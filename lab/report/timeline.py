"""A recording as one picture: faults, their effects and the recovery on one time axis.

Faults are on top, then a band for each node: Ready as the API server shows it, whether the
node answers over the management path, its pods by its own view, the waiting samples, and numeric
observations of watchers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge_lab.evidence.recording import Recording
from edge_lab.measuring.measures import number_text
from edge_lab.oracles.spans import NANOSECONDS, Span, united
from edge_lab.report.bands import (
    ABSENT,
    BAD,
    GOOD,
    NOT_KNOWN,
    SILENT,
    UNSURE,
    Band,
    Chart,
    Piece,
    answers,
)
from edge_lab.report.canvas import INK, MUTED, RULE, Axis, Canvas, shortened, text_width
from edge_lab.report.faultbars import (
    FAULT,
    FAULT_LIGHT,
    FAULT_TEXT,
    FaultBar,
    active_span,
    lanes_of,
)

WIDTH, LEFT, RIGHT = 1200, 196, 1180
BAR, ROW, CHART = 13, 18, 40
BEFORE, MOST_BEFORE = 20, 60
"""Seconds before the first fault that are shown."""

SHADE = "#fdf1f1"
CHART_FILL, CHART_LINE = "#bcd6f2", "#2b6cb0"


def timeline_svg(recording: Recording, title: str) -> str:
    """The picture as SVG; any recording can be drawn."""
    return _Timeline(recording).draw(title)


class _Timeline:
    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._faults = sorted(recording.faults, key=lambda record: (record.began, record.id))
        zero = self._faults[0].began if self._faults else recording.began
        begin = min(
            zero - BEFORE * NANOSECONDS, max(recording.began, zero - MOST_BEFORE * NANOSECONDS)
        )
        end = max(recording.ended, zero + NANOSECONDS)
        self._axis = Axis(Span(begin, end), zero, LEFT, RIGHT)
        self._canvas = Canvas(WIDTH)
        self._y = 0.0

    def draw(self, title: str) -> str:
        heading = shortened(title, WIDTH - 40, 16)
        self._canvas.text(16, 28, heading, size=16, bold=True)
        about = f"{self._recording.runtime} · {self._axis.span.seconds:.0f} s · "
        about += "time in seconds from the first fault" if self._faults else "no fault"
        self._canvas.text(16, 46, shortened(about, WIDTH - 40, 11), fill=MUTED)
        self._y = 62
        lanes = lanes_of(self._faults, self._axis)
        top = self._y + ROW * max(1, len(lanes))
        bands = [Band(self._recording, node) for node in self._recording.nodes]
        bottom = top + 24 + ROW + sum(map(_height, bands))
        self._background(top, bottom)
        self._draw_faults(lanes)
        self._y = top + 24
        self._api()
        for band in bands:
            self._draw_band(band)
        self._axis_labels(bottom + 16)
        self._y = bottom + 40
        self._legend()
        return self._canvas.svg(self._y + 10, title)

    # -- background --------------------------------------------------------------------------

    def _background(self, top: float, bottom: float) -> None:
        for span in united(active_span(record, self._axis) for record in self._faults):
            wide = max(1.0, self._axis.width(span))
            x = min(self._axis.x(span.start), RIGHT - wide)
            self._canvas.rect(x, top + 20, wide, bottom - top - 20, SHADE)
        for time in self._axis.ticks():
            x = self._axis.x(time)
            self._canvas.line(x, top + 20, x, bottom, RULE)
        if self._faults:
            x = self._axis.x(self._axis.zero)
            self._canvas.line(x, top + 20, x, bottom, FAULT, stroke_dasharray="3 3")
        self._axis_labels(top + 15)

    def _axis_labels(self, y: float) -> None:
        for time in self._axis.ticks():
            text = f"{self._axis.seconds(time):.0f}"
            x = min(self._axis.x(time), WIDTH - 4 - text_width(text, 10) / 2)
            self._canvas.text(x, y, text, size=10, fill=MUTED, anchor="middle")
        self._canvas.text(LEFT - 34, y, "s", size=10, fill=MUTED, anchor="end")

    # -- faults ------------------------------------------------------------------------------

    def _draw_faults(self, lanes: Sequence[Sequence[FaultBar]]) -> None:
        self._canvas.text(16, self._y + 11, "faults", bold=True)
        if not lanes:
            self._canvas.text(LEFT, self._y + 11, "none", fill=MUTED)
        for index, lane in enumerate(lanes):
            for bar in lane:
                self._draw_fault(bar, self._y + ROW * index)

    def _draw_fault(self, bar: FaultBar, y: float) -> None:
        for span, fill in bar.parts:
            wide = max(2.0, self._axis.width(span))
            x = min(self._axis.x(span.start), RIGHT - wide)
            self._canvas.rect(x, y, wide, BAR, fill, hint=bar.hint)
        if bar.record.seen is None:
            x, width = bar.left, max(3.0, bar.right - bar.left)
            self._canvas.rect(
                min(x, RIGHT - width), y, width, BAR, "none", stroke=FAULT, stroke_dasharray="3 2"
            )
        fill = "#ffffff" if bar.place == "inside" else INK
        anchor = "end" if bar.place == "left" else "start"
        self._canvas.text(
            *(bar.text_x, y + 10.5, bar.label),
            size=FAULT_TEXT,
            fill=fill,
            anchor=anchor,
            hint=bar.hint,
        )

    # -- rows --------------------------------------------------------------------------------

    def _api(self) -> None:
        views = [(seen.time, seen.answered) for seen in self._recording.api_seen]
        pieces = answers(views, self._recording.ended)
        self._row("API server", pieces, bold=True)

    def _draw_band(self, band: Band) -> None:
        self._canvas.line(12, self._y + 3, WIDTH - 12, self._y + 3, "#b8c2cc")
        name = shortened(band.node, LEFT - 30, 13)
        self._canvas.text(16, self._y + 20, name, size=13, bold=True, hint=band.node)
        self._y += 26
        self._row("Ready, by the API", band.ready)
        self._row("answers", band.answers, band.boots)
        for label, pieces, replaced in band.pods:
            self._row(label, pieces, replaced)
        if band.more_pods:
            self._canvas.text(28, self._y + 11, band.more_pods, fill=MUTED)
            self._y += ROW
        most = max((count for _, count in band.waiting), default=0)
        said = f"at most {most}" if band.waiting else "not observed"
        self._chart(Chart("samples waiting", band.waiting), said, bold=bool(most))
        for chart in band.charts:
            numbers = [number for _, number in chart.points]
            said = "–".join(dict.fromkeys(map(number_text, (min(numbers), max(numbers)))))
            self._chart(chart, said)
        if band.more_charts:
            self._canvas.text(28, self._y + 11, band.more_charts, fill=MUTED)
            self._y += ROW
        self._y += 8

    def _row(
        self, label: str, pieces: Sequence[Piece], marks: Sequence[int] = (), bold: bool = False
    ) -> None:
        x, fill = (16, INK) if bold else (28, MUTED)
        shown = shortened(label, LEFT - x - 8, 11)
        self._canvas.text(x, self._y + 11, shown, fill=fill, bold=bold, hint=label)
        self._canvas.rect(LEFT, self._y, RIGHT - LEFT, BAR, NOT_KNOWN)
        for piece in pieces:
            self._piece(piece)
        for mark in marks:
            if self._axis.span.start <= mark <= self._axis.span.end:
                at = self._axis.x(mark)
                self._canvas.line(at, self._y - 2, at, self._y + BAR + 2, INK, stroke_width="2")
        self._y += ROW

    def _piece(self, piece: Piece) -> None:
        part = piece.span.within(self._axis.span)
        if part is None:
            return
        x, width = self._axis.x(part.start), self._axis.width(part)
        seconds = f"{part.seconds:.0f} s"
        hint = f"{piece.label} {seconds} from {self._axis.seconds(part.start):.1f}".strip()
        wide = max(1.0, width)
        self._canvas.rect(min(x, RIGHT - wide), self._y, wide, BAR, piece.fill, hint=hint)
        ink = INK if piece.fill in (GOOD, UNSURE) else "#ffffff"
        for text in (f"{piece.label} {seconds}", piece.label):
            if piece.label and text_width(text, 9.5) + 6 <= width:
                self._canvas.text(
                    *(x + width / 2, self._y + 10, text), size=9.5, fill=ink, anchor="middle"
                )
                return

    def _chart(self, chart: Chart, said: str, bold: bool = False) -> None:
        before = [point for point in chart.points if point[0] <= self._axis.span.start]
        points = [*before[-1:], *chart.points[len(before) :]]
        label = shortened(chart.label, LEFT - 36, 11)
        self._canvas.text(28, self._y + 12, label, fill=MUTED, hint=chart.label)
        self._canvas.text(28, self._y + 27, shortened(said, LEFT - 36, 11), fill=INK, bold=bold)
        base = self._y + CHART
        self._canvas.line(LEFT, base, RIGHT, base, "#b8c2cc")
        lowest = min((number for _, number in points), default=0)
        highest = max((number for _, number in points), default=0)
        floor = min(0, lowest)
        most = highest - floor
        if 0 < most < math.inf:
            heights = [(time, (number - floor) / most * (CHART - 6)) for time, number in points]
            tops = _steps(heights, self._axis, base, self._recording.ended)
            self._canvas.polygon(
                [(tops[0][0], base), *tops, (tops[-1][0], base)],
                CHART_FILL,
                stroke=CHART_LINE,
                stroke_width="1.2",
            )
        self._y = base + 4

    # -- legend ------------------------------------------------------------------------------

    def _legend(self) -> None:
        entries = (
            (FAULT, "active fault"),
            (FAULT_LIGHT, "requested, or being healed"),
            (GOOD, "Ready, answers, containers run"),
            (BAD, "not Ready, containers down"),
            (UNSURE, "Ready unknown, duplicate pods"),
            (ABSENT, "no such node"),
            (SILENT, "silent, containers unknown"),
            (NOT_KNOWN, "not observed"),
            ("", "container replaced, or node booted"),
        )

        def mark(x: float, y: float) -> None:
            self._canvas.line(x, y - 11, x, y + 3, INK, stroke_width="2")

        self._y = self._canvas.legend(self._y, entries, row=ROW, mark=mark) + 6


def _height(band: Band) -> float:
    """The height of the band, as drawn by `_draw_band`."""
    rows = 2 + len(band.pods) + bool(band.more_pods) + bool(band.more_charts)
    return 26 + ROW * rows + (CHART + 4) * (1 + len(band.charts)) + 8


def _steps(
    heights: Sequence[tuple[int, float]], axis: Axis, base: float, until: int
) -> list[tuple[float, float]]:
    """The outline of a chart: each height holds until the next; the highest point of each pixel."""
    peaks: dict[float, float] = {}
    last = 0.0
    for time, height in heights:
        x = round(axis.x(time), 0)
        peaks[x] = max(peaks.get(x, height), height)
        last = height
    points: list[tuple[float, float]] = []
    for x, height in sorted(peaks.items()):
        if points:
            points.append((x, points[-1][1]))
        points.append((x, base - height))
    points.append((max(points[-1][0], axis.x(until)), base - last))
    return points
