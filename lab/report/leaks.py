"""Slopes of memory as a picture: each part's growth with its interval, the steepest first."""

from __future__ import annotations

from collections.abc import Sequence

from edge_lab.evidence.leaks import LeakEvidence
from edge_lab.oracles.memory.leaks import KIB_PER_MIB, LeakVerdict, Slope
from edge_lab.report.canvas import INK, MUTED, RULE, Canvas, shortened

WIDTH, LEFT, RIGHT, TOP, ROW = 1100.0, 340.0, 860.0, 66.0, 20.0
MOST = 25
LEAK, CALM = "#c53030", "#2b6cb0"


def leaks_svg(verdict: LeakVerdict, evidence: LeakEvidence) -> str:
    """The picture. If the whole interval is to the right of 0, the growth is significant."""
    slopes = verdict.slopes[:MOST]
    canvas = Canvas(WIDTH)
    title = f"{verdict.node}: memory growth, KiB per {evidence.unit}"
    canvas.text(16, 24, title, size=13, bold=True)
    canvas.text(16, 42, verdict.evidence[0], size=10.5, fill=MUTED)
    least, most = _range(slopes)
    scale = (RIGHT - LEFT) / (most - least)

    def x(kib: float) -> float:
        return LEFT + (min(most, max(least, kib)) - least) * scale

    bottom = TOP + ROW * len(slopes)
    canvas.line(x(0), TOP - 6, x(0), bottom, INK)
    canvas.text(x(0), TOP - 10, "0", size=10, fill=MUTED, anchor="middle")
    for row, slope in enumerate(slopes):
        y = TOP + ROW * row + 10
        colour = LEAK if slope.leaks else CALM
        hint = slope.told(evidence.unit)
        canvas.line(LEFT, y, RIGHT, y, RULE)
        canvas.text(16, y + 4, shortened(slope.part, LEFT - 30, 11), fill=colour, hint=hint)
        canvas.line(x(_kib(slope.low)), y, x(_kib(slope.high)), y, colour, stroke_width="2.5")
        canvas.rect(x(_kib(slope.value)) - 3, y - 4, 6, 8, colour, hint=hint)
        said = f"{_kib(slope.value):+.1f}   {slope.growth_mib:+.1f} MiB in total"
        canvas.text(RIGHT + 14, y + 4, said, size=10.5, fill=colour)
    return canvas.svg(bottom + 16, title)


def _kib(mib: float) -> float:
    return KIB_PER_MIB * mib


def _range(slopes: Sequence[Slope]) -> tuple[float, float]:
    """Covers each slope and 0; intervals may exceed it."""
    values = [0.0, *(_kib(slope.value) for slope in slopes)]
    room = max(1.0, 0.25 * (max(values) - min(values)))
    return min(values) - room, max(values) + room
