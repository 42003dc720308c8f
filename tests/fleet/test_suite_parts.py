"""How suites/fleet goes from one size to the next."""

from __future__ import annotations

import pytest

from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.evidence.fleet import FleetLoad
from suites.fleet.holding import hold_each
from tests.fleet.evidence import load

SIZES = (50, 200, 1000)


def nothing() -> None:
    """The fleet is alive."""


def ended() -> None:
    raise LabError("kwok has ended")


def test_sizes_are_held_until_one_does_not_pass() -> None:
    held = hold_each(SIZES, load, lambda held_load: held_load.size < 200, nothing)
    assert [held_load.size for held_load in held.loads] == [50, 200]
    assert not held.failure
    assert len(hold_each(SIZES, load, lambda load: True, nothing).loads) == len(SIZES)


@pytest.mark.parametrize("trouble", [LabError, DeadlineExceeded, KubectlError])
def test_a_larger_size_that_gets_no_answer_leaves_those_that_held(
    trouble: type[LabError],
) -> None:
    def hold(size: int) -> FleetLoad:
        if size == 200:
            raise trouble("no answer")
        return load(size)

    held = hold_each(SIZES, hold, lambda load: True, nothing)
    assert [held_load.size for held_load in held.loads] == [50]
    assert held.failure == "fails at 200: no answer"
    with pytest.raises(LabError, match="kwok"):
        hold_each(SIZES, hold, lambda load: True, ended)


def test_the_smallest_size_has_to_be_measured() -> None:
    def hold(size: int) -> FleetLoad:
        raise LabError("no answer")

    with pytest.raises(LabError):
        hold_each(SIZES, hold, lambda load: True, nothing)
