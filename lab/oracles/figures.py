"""The six figures of autonomy, of one run or spread over several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

HEADINGS = ("detected", "downtime", "restarts", "samples", "ready again", "backlog in")
"""What `Figures.row` and `spread` name the six."""

NOTHING = "–"


@dataclass(frozen=True)
class Figures:
    """What a fault did to one node. None where a figure does not apply, or nothing shows it."""

    detect_s: float | None = None
    """From the fault being seen until the API server stopped showing the node Ready."""
    downtime_s: float | None = None
    """For so long, in all, not every pod ran all of its containers."""
    longest_s: float | None = None
    """The longest stretch of that."""
    restarts: int | None = None
    """By the API server's counts."""
    replaced: int | None = None
    """Containers that took another's place in the same pod, by the node's own view."""
    recreated: int | None = None
    """Pods of which another uid was seen, or that were deleted."""
    duplicates: int | None = None
    """Pod names of which two uids ran at once."""
    lost: int | None = None
    repeated: int | None = None
    wrong: int | None = None
    late: int | None = None
    """Samples, all devices together."""
    ready_after_s: float | None = None
    """From the last heal being seen until the node was Ready and stayed so."""
    backlog_after_s: float | None = None
    """From the last heal being seen until no more samples waited than usual."""

    @property
    def restarted(self) -> int | None:
        """The greater of both views of restarts."""
        known = [count for count in (self.restarts, self.replaced) if count is not None]
        return max(known, default=None)

    def row(self) -> dict[str, str]:
        """The six figures as text, by heading."""
        return spread([self])


def spread(runs: Sequence[Figures]) -> dict[str, str]:
    """The six figures of several runs as text, least to most, by heading."""
    downtime = _seconds([run.downtime_s for run in runs])
    longest = _seconds([run.longest_s for run in runs])
    if any(run.longest_s not in (None, run.downtime_s) for run in runs):
        downtime += f", longest {longest}"
    texts = (
        _seconds([run.detect_s for run in runs]),
        downtime,
        _counts(
            ([run.restarted for run in runs], "restarted"),
            ([run.recreated for run in runs], "recreated"),
            ([run.duplicates for run in runs], "twice at once"),
        ),
        _counts(
            ([run.lost for run in runs], "lost"),
            ([run.repeated for run in runs], "repeated"),
            ([run.wrong for run in runs], "wrong"),
            ([run.late for run in runs], "late"),
        ),
        _seconds([run.ready_after_s for run in runs]),
        _seconds([run.backlog_after_s for run in runs]),
    )
    return dict(zip(HEADINGS, texts, strict=True))


def _seconds(values: Sequence[float | None]) -> str:
    text = _range(values, lambda value: f"{value:.1f}" if value < 99.95 else f"{value:.0f}", " s")
    return text or NOTHING


def _counts(*kinds: tuple[Sequence[int | None], str]) -> str:
    """The first kind always, the others where there are any."""
    parts = [
        f"{_range(values, str)} {noun}"
        for index, (values, noun) in enumerate(kinds)
        if any(value is not None and (value or not index) for value in values)
    ]
    return ", ".join(parts) or NOTHING


N = float | int


def _range(values: Sequence[N | None], text: Callable[..., str], unit: str = "") -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    least, most = text(min(known)), text(max(known))
    shown = (least if least == most else f"{least}–{most}") + unit
    absent = len(values) - len(known)
    return f"{shown} ({NOTHING} in {absent} of {len(values)})" if absent else shown
