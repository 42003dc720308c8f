"""A stand-in lab, and what is watched of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.live.lab import LiveLab
from edge_lab.live.snapshot import LabSnapshot
from tests.live.standin import QUICK, Somewhere, StandIn

Until = Callable[[str, Callable[[LabSnapshot], bool]], LabSnapshot]


@pytest.fixture
def lab(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


@pytest.fixture
def place(lab: StandIn) -> Somewhere:
    return Somewhere(lab)


@pytest.fixture
def live(place: Somewhere) -> Iterator[LiveLab]:
    with LiveLab("default", place, read_only=False, pace=QUICK) as found:
        yield found


@pytest.fixture
def until(live: LiveLab) -> Until:
    """Waits for a snapshot."""

    def wait(what: str, holds: Callable[[LabSnapshot], bool]) -> LabSnapshot:
        def probe() -> LabSnapshot | None:
            seen = live.snapshot()
            return seen if holds(seen) else None

        return Deadline.after(30).wait_for(what, probe)

    return wait
