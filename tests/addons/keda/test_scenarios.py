"""The scenarios of KEDA with a side that is made up: nothing is judged unless it began at zero."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from edge_lab.core.errors import LabError
from suites.functions.kedascenarios import (
    cut_off,
    offline_then_reset,
    operator_stopped,
    reset_while_cut_off,
)
from suites.functions.kedaside import KedaSide
from suites.functions.scenarios import STOP_TRIES

NODE = "edge-arm"


@dataclass
class NeverAtZero:
    """A function of KEDA runs whenever the fault has begun."""

    running_function: bool
    faults: int = 0
    healed: int = 0

    nodes = (NODE,)

    def running(self, node: str) -> frozenset[str]:
        busy = self.running_function and self.faults > self.healed
        return frozenset({"warm", "keda"} if busy else {"warm"})

    def replicas(self, node: str) -> int:
        return int(not self.running_function and self.faults > self.healed)

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> None:
        assert probe(), what

    @contextlib.contextmanager
    def offline(self) -> Iterator[None]:
        self.faults += 1
        yield
        self.healed += 1

    no_operator = offline

    def reset(self) -> None:
        assert self.faults > self.healed, "a reset while online"


@pytest.mark.parametrize("running", [True, False], ids=["it runs", "it is asked for"])
@pytest.mark.parametrize("scenario", [cut_off, reset_while_cut_off, operator_stopped])
def test_a_fault_that_never_finds_keda_at_zero_is_an_error_of_the_lab(
    scenario: Callable[[Any], object], running: bool
) -> None:
    side = NeverAtZero(running)
    with pytest.raises(LabError, match="while one of its functions ran"):
        scenario(side)
    assert (side.faults, side.healed) == (STOP_TRIES, STOP_TRIES)


@dataclass
class Recorded:
    """What is done to the nodes, in order."""

    breaks: bool = False
    done: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def offline(self) -> Iterator[None]:
        self.done.append("cut")
        try:
            yield
        finally:
            self.done.append("healed")

    def reset(self) -> None:
        self.done.append("reset")
        if self.breaks:
            raise LabError("edge-arm did not boot")


def test_nodes_reboot_before_events_cross_and_before_the_heal() -> None:
    side = Recorded()
    with offline_then_reset(cast(KedaSide, side)):
        side.done.append("events")
    assert side.done == ["cut", "reset", "events", "healed"]


def test_a_node_that_does_not_boot_is_an_error_of_the_lab_and_is_healed() -> None:
    side = Recorded(breaks=True)
    with pytest.raises(LabError, match="did not boot"), offline_then_reset(cast(KedaSide, side)):
        pytest.fail("events of a node that did not boot")
    assert side.done == ["cut", "reset", "healed"]
