"""The figures of autonomy, and the corresponding measures for tables and comparisons."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.measuring.measures import COUNT, Better, Measure


@dataclass(frozen=True)
class Figures:
    """The effect of faults on one node. None where a figure does not apply or lacks evidence."""

    detect_s: float | None = None
    """From the fault being seen until the API server stopped showing the node Ready."""
    downtime_s: float | None = None
    """Total time in which not every pod ran all of its containers."""
    longest_s: float | None = None
    """The longest such period."""
    restarts: int | None = None
    """By the API server's counts."""
    replaced: int | None = None
    """Containers that replaced another one of the same pod, by the node's own view."""
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
    """From the last observed recovery until the node was Ready and stayed so."""
    backlog_after_s: float | None = None
    """From the last observed recovery until no more samples waited than usual."""

    @property
    def restarted(self) -> int | None:
        """The greater of both views of restarts."""
        known = [count for count in (self.restarts, self.replaced) if count is not None]
        return max(known, default=None)

    def measures(self, node: str) -> tuple[Measure, ...]:
        """All of them as measures of `node`."""
        return tuple(kind.measure(value, node) for kind, value in self._by_kind())

    def _by_kind(self) -> tuple[tuple[_Kind, float | None], ...]:
        return (
            (_DETECTED, self.detect_s),
            (_DOWNTIME, self.downtime_s),
            (_LONGEST_OUTAGE, self.longest_s),
            (_RESTARTS, self.restarted),
            (_RECREATED, self.recreated),
            (_TWICE, self.duplicates),
            (_LOST, self.lost),
            (_REPEATED, self.repeated),
            (_WRONG, self.wrong),
            (_LATE, self.late),
            (_READY, self.ready_after_s),
            (_BACKLOG, self.backlog_after_s),
        )


@dataclass(frozen=True)
class _Kind:
    """The definition of a figure as a measure, without its value."""

    name: str
    heading: str
    unit: str
    evidence: str
    lacking: str
    """Why there is no value, if there is none."""
    label: str = ""
    minor: bool = False

    def measure(self, value: float | None, node: str) -> Measure:
        return Measure(
            name=self.name,
            value=value if value is None or self.unit == COUNT else float(value),
            reason=self.lacking if value is None else "",
            unit=self.unit,
            better=Better.LOWER,
            node=node,
            evidence=self.evidence,
            heading=self.heading,
            label=self.label,
            minor=self.minor,
        )


_API = "the API server's view of the node"
_RUNTIME = "the state of the node's container runtime"
_SAMPLES = "what the collector holds, against the devices' ground truth"
_NO_POD = "no pod was seen to run before the first fault"
_NO_SAMPLES = "no samples were judged"

_DETECTED = _Kind(
    "detected_after", "detected", "s", _API, "no proven fault was seen to be detected"
)
_DOWNTIME = _Kind("downtime", "downtime", "s", _RUNTIME, _NO_POD)
_LONGEST_OUTAGE = _Kind("longest_outage", "longest outage", "s", _RUNTIME, _NO_POD, minor=True)
_RESTARTS = _Kind(
    "restarts",
    "restarts",
    COUNT,
    "the greater of the API server's restart counts and the containers replaced on the node",
    _NO_POD,
    "restarted",
)
_RECREATED = _Kind(
    "pods_recreated", "restarts", COUNT, "uids of pods in both views", _NO_POD, "recreated", True
)
_TWICE = _Kind("pods_twice", "restarts", COUNT, _RUNTIME, _NO_POD, "duplicate pods", True)
_LOST = _Kind("samples_lost", "samples", COUNT, _SAMPLES, _NO_SAMPLES, "lost")
_REPEATED = _Kind("samples_repeated", "samples", COUNT, _SAMPLES, _NO_SAMPLES, "repeated", True)
_WRONG = _Kind("samples_wrong", "samples", COUNT, _SAMPLES, _NO_SAMPLES, "wrong", True)
_LATE = _Kind("samples_late", "samples", COUNT, _SAMPLES, _NO_SAMPLES, "late", True)
_READY = _Kind("ready_after", "ready again", "s", _API, "the node was not seen to recover")
_BACKLOG = _Kind(
    "backlog_after",
    "backlog in",
    "s",
    "the samples buffered on the node's disk",
    "no backlog was seen to be delivered after the last heal",
)
