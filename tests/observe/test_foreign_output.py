"""What guests print is foreign: it is understood, or a LabError, and never another exception."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.faults.probe import parse_ping
from edge_lab.faults.runningping import read_line
from edge_lab.observe.footprint import parse_footprint
from edge_lab.observe.nodeview import NodeView
from edge_lab.probes.listeners import listeners_of

READERS: dict[str, Callable[[str], object]] = {
    "node view": lambda line: NodeView().read(line),
    "footprint": parse_footprint,
    "ping": parse_ping,
    "a line of ping": read_line,
    "listeners": listeners_of,
}

words = st.sampled_from(
    [
        *("B", "C", "L", "S", "container", "sandbox", "MemTotal:", "MemAvailable:", "kB", "unit"),
        *("kills", "oom_kill", "packets", "transmitted,", "received", "LISTEN", "0", "*:22", "["),
        *(
            "[::]:x",
            "{",
            '{"devices": []}',
            '{"devices": {"a": 1}}',
            "[]",
            "null",
            "[1.5]",
            "icmp_seq=1",
        ),
        *("9" * 400, "time=", "1.2.3", "\x00", "\u2028"),
    ]
)
texts = st.text(max_size=60) | st.lists(words, max_size=8).map(" ".join)


@pytest.mark.parametrize("reader", READERS)
@given(text=texts)
def test_any_output_is_understood_or_a_lab_error(reader: str, text: str) -> None:
    with contextlib.suppress(LabError):
        READERS[reader](text)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "text", ["S " + "[" * 100_000, "C", "C x", "L", "S", "B", "", "0 : kB", "kills oom_kill x"]
)
def test_odd_output_is_understood_or_a_lab_error(reader: str, text: str) -> None:
    with contextlib.suppress(LabError):
        READERS[reader](text)
