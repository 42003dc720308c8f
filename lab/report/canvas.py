"""An SVG canvas and a time axis on it. Lengths are pixels, times ns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from edge_lab.oracles.spans import NANOSECONDS, Span

INK, PAPER, MUTED, RULE = "#1f2933", "#ffffff", "#5b6775", "#dfe5ec"
MARGIN, LEGEND_SIZE = 16.0, 10.5
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WIDEST = 0.62
"""Average width of a letter in units of the font size: DejaVu Sans, the widest of the fonts
used."""


def text_width(content: str, size: float) -> float:
    return len(content) * size * _WIDEST


def shortened(content: str, width: float, size: float) -> str:
    """Shortened with … in the middle if it is wider."""
    room = max(1, int(width / (size * _WIDEST)))
    if len(content) <= room:
        return content
    head = (room - 1) // 2
    return f"{content[: room - 1 - head]}…{content[len(content) - head :]}"


class Canvas:
    """Grows downwards: its height is given to `svg`."""

    def __init__(self, width: float) -> None:
        self.width = width
        self._root = ET.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "font-family": "DejaVu Sans, Helvetica, Arial, sans-serif",
                "role": "img",
            },
        )

    def svg(self, height: float, title: str) -> str:
        """The whole picture, with its own background."""
        size = {"width": _px(self.width), "height": _px(height)}
        self._root.attrib.update({**size, "viewBox": f"0 0 {_px(self.width)} {_px(height)}"})
        paper = ET.Element("rect", {"x": "0", "y": "0", **size, "rx": "6", "fill": PAPER})
        name = ET.Element("title")
        name.text = _clean(title)
        self._root[:0] = [name, paper]
        return ET.tostring(self._root, encoding="unicode")

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        *,
        hint: str = "",
        **more: str,
    ) -> None:
        """`hint` is shown under the pointer; `more` are attributes, with _ for -."""
        box = {"x": _px(x), "y": _px(y), "width": _px(width), "height": _px(height)}
        self._add("rect", {**box, "fill": fill}, hint, more)

    def line(self, x1: float, y1: float, x2: float, y2: float, stroke: str, **more: str) -> None:
        ends = {"x1": _px(x1), "y1": _px(y1), "x2": _px(x2), "y2": _px(y2)}
        self._add("line", {**ends, "stroke": stroke}, "", more)

    def polygon(self, points: list[tuple[float, float]], fill: str, **more: str) -> None:
        text = " ".join(f"{_px(x)},{_px(y)}" for x, y in points)
        self._add("polygon", {"points": text, "fill": fill}, "", more)

    def text(
        self,
        x: float,
        y: float,
        content: str,
        *,
        size: float = 11,
        fill: str = INK,
        anchor: str = "start",
        bold: bool = False,
        hint: str = "",
    ) -> None:
        """`y` is the baseline."""
        where = {"x": _px(x), "y": _px(y), "font-size": f"{size:g}", "text-anchor": anchor}
        more = {"font_weight": "bold"} if bold else {}
        self._add("text", {**where, "fill": fill}, hint, more).text = _clean(content)

    def legend(
        self,
        y: float,
        entries: Iterable[tuple[str, str]],
        *,
        row: float,
        mark: Callable[[float, float], None] | None = None,
        **box: str,
    ) -> float:
        """Draws colours with their meanings, in lines of height `row`; returns the last baseline.

        An entry without a colour has what `mark` draws, given the middle of the box and the
        baseline. `box` are attributes of the boxes.
        """
        x = MARGIN
        for fill, meaning in entries:
            width = 20 + text_width(meaning, LEGEND_SIZE) + 14
            if x + width > self.width - 12:
                x, y = MARGIN, y + row
            if fill:
                self.rect(x, y - 9, 14, 10, fill, **box)
            elif mark is not None:
                mark(x + 7, y)
            self.text(x + 20, y, meaning, size=LEGEND_SIZE)
            x += width
        return y

    def _add(
        self, tag: str, attributes: dict[str, str], hint: str, more: dict[str, str]
    ) -> ET.Element:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        element = ET.SubElement(self._root, tag, {**attributes, **named})
        if hint:
            ET.SubElement(element, "title").text = _clean(hint)
        return element


def _px(length: float) -> str:
    return f"{length:.1f}".removesuffix(".0")


def _clean(text: str) -> str:
    return _NOT_XML.sub("�", text)


@dataclass(frozen=True)
class Axis:
    """Time from left to right; times outside the axis are drawn at its edge."""

    span: Span
    zero: int
    left: float
    right: float

    def x(self, time: int) -> float:
        length = max(1, self.span.end - self.span.start)
        part = (time - self.span.start) / length
        return self.left + min(1.0, max(0.0, part)) * (self.right - self.left)

    def width(self, span: Span) -> float:
        return self.x(span.end) - self.x(span.start)

    def seconds(self, time: int) -> float:
        """From zero."""
        return (time - self.zero) / NANOSECONDS

    def ticks(self, most: int = 14) -> Iterator[int]:
        """Ticks at round seconds, at most so many."""
        length = self.span.seconds
        paces = (pace * 10**power for power in range(12) for pace in (1, 2, 5))
        nice = (*(pace for pace in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)), *paces)
        pace = next(candidate for candidate in nice if length / candidate <= most)
        first = -(-(self.span.start - self.zero) // (pace * NANOSECONDS))
        time = self.zero + first * pace * NANOSECONDS
        while time <= self.span.end:
            yield time
            time += pace * NANOSECONDS
