"""Shared fixtures: the lab, as the scenarios need it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pytest

from edge_lab.faults.engine import FaultEngine
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.oracles.verdict import Verdict
from suites.gitops.labside import LabSide

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

Judged = Callable[[Iterable[Verdict]], None]


@pytest.fixture
def side(lab: Lab, faults: FaultEngine, time_limit: TimeLimit) -> LabSide:
    """The fleet of the lab."""
    return LabSide(lab, faults, time_limit)


@pytest.fixture
def judged(record_verdict: Callable[[Verdict], None]) -> Judged:
    """Records verdicts, and fails the test if any has not passed."""

    def judge(verdicts: Iterable[Verdict]) -> None:
        found = list(verdicts)
        for verdict in found:
            record_verdict(verdict)
        assert found, "nothing was judged"
        failed = [str(verdict) for verdict in found if not verdict.passed]
        assert not failed, "\n".join(failed)

    return judge
