"""Uplinks that are bad lines, for suites whose test is the same over each of them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest

from edge_lab.faults.kinds import Profile
from suites.edges import uplink
from suites.waiting import WaitingSide

TITLES = {"3g": "3G", "geo": "satellite"}
"""By line profile (docs/break-a-lab.md)."""


def each_line(suite: str) -> Sequence[Any]:
    """Parameters: the profile of each line, with the scenario of the suite over it."""
    return [
        pytest.param(profile, id=title, marks=pytest.mark.scenario(f"{suite}: {title} line"))
        for profile, title in TITLES.items()
    ]


@contextlib.contextmanager
def over_line(side: WaitingSide, nodes: Collection[str], profile: str) -> Iterator[None]:
    """The uplinks of the nodes are lines of this profile."""
    lines = [Profile(link=uplink(side.lab, node), name=profile) for node in nodes]
    with side.faults.inflict_all(lines):
        yield
