"""Looks at a clock, through a shell that answers each line with its time."""

from __future__ import annotations

import time

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.observe.scheduling.clock import SHELL, clock_bounds

SHIFTED = (
    "while read -r; do s=${EPOCHREALTIME/./}; s=$((s + 3600000000)); echo ${s:0:10}.${s:10}; done"
)
SET_ONCE = (
    "number=0; while read -r; do number=$((number + 1)); s=${EPOCHREALTIME/./};"
    " s=$((s + (number > 10 ? 9000000 : 0))); echo ${s:0:10}.${s:10}; done"
)


def bash(script: str) -> list[str]:
    return ["bash", "-c", script]


@pytest.mark.parametrize(("script", "ahead"), [(SHELL, 0), (SHIFTED, 3_600_000_000_000)])
def test_the_offset_of_a_clock_is_within_its_bounds(script: str, ahead: int) -> None:
    bounds = clock_bounds("edge-arm", bash(script), Deadline.after(60))
    assert bounds.least <= ahead <= bounds.most + 1000  # it shows whole µs
    assert bounds.error < 1


def test_a_clock_that_is_set_meanwhile_is_no_evidence() -> None:
    with pytest.raises(LabError, match="set"):
        clock_bounds("edge-arm", bash(SET_ONCE), Deadline.after(60))


@pytest.mark.parametrize("script", ["true", "read -r; echo no", "while read -r; do echo 1.5; done"])
def test_a_guest_that_does_not_tell_its_time_is_no_evidence(script: str) -> None:
    with pytest.raises(LabError):
        clock_bounds("edge-arm", bash(script), Deadline.after(60))


def test_a_guest_that_is_silent_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises((LabError, DeadlineExceeded)):
        clock_bounds("edge-arm", bash("exec sleep 600"), Deadline.after(0.05))
    assert time.monotonic() - began < 120
