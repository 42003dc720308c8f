"""The fabric's benchmark with an interface of the host: a few frames each way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_lab.bench.media import Medium
from edge_lab.bench.ports import from_port, to_port
from edge_lab.bench.rates import trial

NAMESPACE = Path("/proc/self/ns/net")

pytestmark = pytest.mark.slow(reason="a fabric, a sender and a receiver as processes")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root joins the namespace of another process")
@pytest.mark.parametrize("medium", [from_port, to_port])
def test_frames_go_through(medium: Medium) -> None:
    before = NAMESPACE.readlink()
    seen = trial(medium, 500, 200, 500.0)
    assert seen.arrived == seen.sent == 500
    assert NAMESPACE.readlink() == before
