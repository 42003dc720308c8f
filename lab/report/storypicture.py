"""The picture of a story: actions, faults and parts on one time axis in minutes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_lab.oracles.spans import NANOSECONDS, Span, united
from edge_lab.report.bands import BAD, GOOD, NOT_KNOWN
from edge_lab.report.canvas import INK, MUTED, RULE, Axis, Canvas, shortened, text_width
from edge_lab.report.faultbars import FAULT, FAULT_TEXT, FaultBar, active_span, lanes_of
from edge_lab.report.story import Action, Part, Row, Story, Stretch

WIDTH, LEFT, RIGHT = 1200, 196, 1180
BAR, ROW, CURVE, HEAD = 13, 18, 38, 26
SHADE, SECOND = "#fdf1f1", "#cfe3f5"
CURVE_FILL, CURVE_LINE = "#bcd6f2", "#2b6cb0"
GOOD_INK = "#1d6b3c"
MINUTE = 60 * NANOSECONDS
TEXT = 10.5
APART = 8


@dataclass(frozen=True)
class ActionMark:
    """A action with the place of its label; the label is right of the mark, or left at the edge."""

    action: Action
    x: float
    label: str
    anchor: str
    begins: float
    ends: float


def marks_in_lanes(actions: Sequence[Action], axis: Axis) -> list[list[ActionMark]]:
    """Lanes in which no label overlaps another one."""
    lanes: list[list[ActionMark]] = []
    for action in sorted(actions, key=lambda action: action.time):
        mark = _mark(action, axis)
        for lane in lanes:
            if all(
                mark.begins > other.ends + APART or mark.ends < other.begins - APART
                for other in lane
            ):
                lane.append(mark)
                break
        else:
            lanes.append([mark])
    return lanes


def _mark(action: Action, axis: Axis) -> ActionMark:
    x = axis.x(action.time)
    label = shortened(action.label, max(x - axis.left, axis.right - x) - 12, TEXT)
    width = text_width(label, TEXT) + 8
    if x + width <= axis.right:
        return ActionMark(action, x, label, "start", x - 4, x + width)
    return ActionMark(action, x, label, "end", x - width, x + 4)


def story_svg(story: Story) -> str:
    """The picture as SVG."""
    return _Picture(story).draw()


class _Picture:
    def __init__(self, story: Story) -> None:
        self._story = story
        end = max(story.span.end, story.span.start + MINUTE)
        self._axis = Axis(Span(story.span.start, end), story.span.start, LEFT, RIGHT)
        self._canvas = Canvas(WIDTH)
        self._y = 14.0

    def draw(self) -> str:
        faults = sorted(self._story.faults, key=lambda record: (record.began, record.id))
        actions, bars = (
            marks_in_lanes(self._story.actions, self._axis),
            lanes_of(faults, self._axis),
        )
        top = self._y + ROW * (max(1, len(actions)) + max(1, len(bars))) + 10
        bottom = top + 22 + sum(map(_height, self._story.parts))
        self._background(top, bottom)
        self._people(actions)
        self._faults(bars)
        self._y = top + 22
        for part in self._story.parts:
            self._part(part)
        self._axis_labels(bottom + 14)
        self._y = bottom + 36
        self._legend()
        return self._canvas.svg(self._y + 8, self._story.title)

    # -- axis --------------------------------------------------------------------------------

    def _background(self, top: float, bottom: float) -> None:
        for span in united(active_span(record, self._axis) for record in self._story.faults):
            wide = max(1.0, self._axis.width(span))
            x = min(self._axis.x(span.start), RIGHT - wide)
            self._canvas.rect(x, top + 18, wide, bottom - top - 18, SHADE)
        for time in self._ticks():
            x = self._axis.x(time)
            self._canvas.line(x, top + 18, x, bottom, RULE)
        self._axis_labels(top + 13)

    def _ticks(self) -> Sequence[int]:
        minutes = self._axis.span.seconds / 60
        pace = next(pace for pace in (1, 2, 5, 10, 15, 30, 60, 120, 10_000) if minutes / pace <= 14)
        count = int(minutes // pace)
        return [self._axis.span.start + number * pace * MINUTE for number in range(count + 1)]

    def _axis_labels(self, y: float) -> None:
        for time in self._ticks():
            text = f"{(time - self._axis.span.start) / MINUTE:.0f}"
            x = min(self._axis.x(time), WIDTH - 4 - text_width(text, 10) / 2)
            self._canvas.text(x, y, text, size=10, fill=MUTED, anchor="middle")
        self._canvas.text(LEFT - 34, y, "min", size=10, fill=MUTED, anchor="end")

    # -- what happened -----------------------------------------------------------------------

    def _people(self, lanes: Sequence[Sequence[ActionMark]]) -> None:
        self._canvas.text(16, self._y + 11, "people", bold=True)
        for lane in lanes:
            for mark in lane:
                ink = BAD if mark.action.bad else CURVE_LINE
                hint = mark.action.hint or mark.action.label
                self._canvas.rect(min(mark.x, RIGHT - 3), self._y, 3, BAR, ink, hint=hint)
                at = mark.x + 7 if mark.anchor == "start" else mark.x - 5
                self._canvas.text(
                    at, self._y + 10.5, mark.label, size=TEXT, fill=ink, anchor=mark.anchor
                )
            self._y += ROW
        self._y += ROW if not lanes else 0

    def _faults(self, lanes: Sequence[Sequence[FaultBar]]) -> None:
        self._canvas.text(16, self._y + 11, "faults", bold=True)
        for lane in lanes:
            for bar in lane:
                self._fault(bar)
            self._y += ROW

    def _fault(self, bar: FaultBar) -> None:
        for span, fill in bar.parts:
            wide = max(2.0, self._axis.width(span))
            x = min(self._axis.x(span.start), RIGHT - wide)
            self._canvas.rect(x, self._y, wide, BAR, fill, hint=bar.hint)
        fill = "#ffffff" if bar.place == "inside" else INK
        anchor = "end" if bar.place == "left" else "start"
        self._canvas.text(
            bar.text_x, self._y + 10.5, bar.label, size=FAULT_TEXT, fill=fill, anchor=anchor
        )

    # -- parts -------------------------------------------------------------------------------

    def _part(self, part: Part) -> None:
        self._canvas.line(12, self._y + 3, WIDTH - 12, self._y + 3, "#b8c2cc")
        self._canvas.text(16, self._y + 19, part.name, size=13, bold=True)
        word, ink = ("passed", GOOD_INK) if part.passed else ("failed", BAD)
        self._canvas.text(LEFT, self._y + 19, word, size=12, fill=ink, bold=True)
        at = LEFT + text_width("passed", 12) + 12
        said = shortened(part.said, RIGHT - at, 11)
        self._canvas.text(at, self._y + 19, said, fill=MUTED, hint=part.said)
        self._y += HEAD
        for row in part.rows:
            self._row(row)
        self._y += 6

    def _row(self, row: Row) -> None:
        label = shortened(row.label, LEFT - 36, 11)
        self._canvas.text(28, self._y + 11, label, fill=MUTED, hint=row.label)
        if row.curve:
            self._curve(row)
            return
        self._canvas.rect(LEFT, self._y, RIGHT - LEFT, BAR, NOT_KNOWN)
        number, before = 0, ""
        for stretch in row.stretches:
            number += bool(before) and stretch.label != before
            before = stretch.label
            self._stretch(stretch, (GOOD, SECOND)[number % 2])
        for x in sorted({round(self._axis.x(time)) for time in row.beats}):
            self._canvas.line(x, self._y + 1, x, self._y + BAR - 1, GOOD_INK)
        self._y += ROW

    def _stretch(self, stretch: Stretch, colour: str) -> None:
        """Neighbours with different labels have different colours."""
        part = stretch.span.within(self._axis.span)
        if part is None:
            return
        x, width = self._axis.x(part.start), self._axis.width(part)
        wide = max(1.5, width)
        fill = BAD if stretch.bad else colour
        hint = stretch.hint or f"{stretch.label} {part.seconds:.0f} s"
        self._canvas.rect(min(x, RIGHT - wide), self._y, wide, BAR, fill, hint=hint)
        if stretch.label and text_width(stretch.label, 9.5) + 6 <= width:
            ink = "#ffffff" if stretch.bad else INK
            self._canvas.text(
                x + width / 2, self._y + 10, stretch.label, size=9.5, fill=ink, anchor="middle"
            )

    def _curve(self, row: Row) -> None:
        self._canvas.text(28, self._y + 26, shortened(row.said, LEFT - 36, 11))
        base = self._y + CURVE
        self._canvas.line(LEFT, base, RIGHT, base, "#b8c2cc")
        points = [(time, value) for time, value in row.curve if math.isfinite(value)]
        most = max((value for _, value in points), default=0.0)
        if most > 0:
            peaks: dict[int, float] = {}
            for time, value in sorted(points):
                x = round(self._axis.x(time))
                peaks[x] = max(peaks.get(x, 0.0), max(0.0, value) / most * (CURVE - 6))
            outline: list[tuple[float, float]] = []
            for x, height in sorted(peaks.items()):
                if outline:
                    outline.append((x, outline[-1][1]))
                outline.append((x, base - height))
            outline.append((RIGHT, outline[-1][1]))
            self._canvas.polygon(
                [(outline[0][0], base), *outline, (RIGHT, base)],
                CURVE_FILL,
                stroke=CURVE_LINE,
                stroke_width="1.2",
            )
        self._y = base + 4

    def _legend(self) -> None:
        entries = (
            (CURVE_LINE, "done by people"),
            (BAD, "wrong on purpose, or lost"),
            (FAULT, "active fault"),
            (GOOD, "a revision or version, or samples that arrived"),
            (SECOND, "the next one"),
            (NOT_KNOWN, "nothing"),
            ("", "an event that was handled"),
        )

        def mark(x: float, y: float) -> None:
            self._canvas.line(x, y - 10, x, y + 1, GOOD_INK)

        self._y = self._canvas.legend(self._y, entries, row=ROW, mark=mark) + 6


def _height(part: Part) -> float:
    """The height of a part, as drawn by `_part`."""
    return HEAD + sum(CURVE + 4 if row.curve else ROW for row in part.rows) + 6
