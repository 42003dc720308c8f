"""Verifies that samplers stay sandboxed during faults of their nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.observe.sandboxes import (
    KnownPod,
    known_sampler,
    look_from_outside,
    sandboxed_samplers,
)
from edge_lab.oracles.sandbox import SandboxClass, SandboxVerdict

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

LOOK_SECONDS = 120.0
"""Seconds for one view of a node, and for one query to the API server."""

Record = Callable[[SandboxVerdict], None]


class SamplerSandboxes:
    """The samplers of nodes on which all pods are sandboxed; none in other labs.

    They are identified while the API server answers, and verified when a test requests it.
    """

    def __init__(self, lab: Lab, time_limit: TimeLimit, record: Record) -> None:
        self._lab = lab
        self._limit = time_limit
        self._record = record
        self._known: dict[str, KnownPod] = {}
        self._seen: list[SandboxVerdict] = []

    def find(self) -> None:
        """Identifies them, before any fault."""
        self._known = {
            node: known_sampler(self._lab, node, self._limit(LOOK_SECONDS))
            for node in sandboxed_samplers(self._lab)
        }

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes whose samplers must be sandboxed."""
        return tuple(self._known)

    def look(self) -> None:
        """Views them now, over the management path."""
        for pod in self._known.values():
            self._seen.append(look_from_outside(self._lab, pod, self._limit(LOOK_SECONDS)))

    def judge(self) -> None:
        """Adds the verdicts to report and table; the test fails if any was not sandboxed.

        Raises:
            LabError: a sandboxed sampler was not viewed, or there was no evidence.
        """
        for verdict in self._seen:
            self._record(verdict)
        missed = set(self._known) - {verdict.node for verdict in self._seen}
        if missed:
            raise LabError(f"the samplers on {', '.join(sorted(missed))} were not examined")
        for verdict in self._seen:
            if verdict.of_class is SandboxClass.NO_EVIDENCE:
                raise LabError(f"not enough was observed of {verdict.pod} for a verdict: {verdict}")
        escaped = [
            str(sighting)
            for sighting in self._seen
            if sighting.of_class is not SandboxClass.SANDBOXED
        ]
        assert not escaped, "\n".join(escaped)
