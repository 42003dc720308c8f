"""A ping that goes on: how long nobody has answered it, by what it prints."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.faults.probe import WireProbe
from edge_lab.faults.runningping import Asked, RunningPing, read_line


class Printed:
    """A stream of which every line is there already."""

    def __init__(self, *lines: str) -> None:
        self.stdout = [f"{line}\n".encode() for line in lines]

    def kill(self) -> None:
        pass

    def wait(self) -> int:
        return 0


def answer(at: float, took_ms: float = 1.0) -> str:
    return f"[{at:.6f}] 64 bytes from 10.77.0.1: icmp_seq=1 ttl=64 time={took_ms:g} ms"


def missing(at: float) -> str:
    return f"[{at:.6f}] no answer yet for icmp_seq=7"


def after(*lines: str) -> RunningPing:
    with RunningPing(Printed(*lines), "edge-arm to 10.77.0.1") as ping:
        pass
    return ping


def test_the_lines_of_ping_are_read_as_it_prints_them() -> None:
    assert read_line(answer(1764270000.123456, 12.5)) == Asked(1764270000.123456, 0.0125)
    assert read_line(missing(2.5)) == Asked(2.5, None)
    assert read_line("[3.5] From 10.77.0.11 icmp_seq=9 Destination Host Unreachable") == Asked(
        3.5, None
    )
    for other in (
        "PING 10.77.0.1 (10.77.0.1) 56(84) bytes of data.",
        "ping: sendmsg: Network is unreachable",
        "",
        "--- 10.77.0.1 ping statistics ---",
    ):
        assert read_line(other) is None


def test_a_wire_whose_pings_are_answered_is_not_silent() -> None:
    ping = after(answer(1.0), missing(1.2), answer(1.3), answer(1.35))
    assert ping.answers == 3
    assert ping.silence == 0.0


def test_silence_lasts_from_the_last_answer_to_the_last_ping_without_one() -> None:
    ping = after(answer(1.0), missing(1.25), missing(1.5))
    assert ping.silence == pytest.approx(0.5)


def test_a_wire_that_never_answered_has_not_fallen_silent() -> None:
    assert after(missing(1.0), missing(9.0)).silence == 0.0


def test_a_ping_that_says_nothing_more_is_no_silence() -> None:
    ping = after(answer(1.0))
    assert ping.silence == 0.0
    with pytest.raises(LabError, match="ended"):
        ping.check()


def test_what_a_ping_said_that_could_not_run_is_told() -> None:
    with pytest.raises(LabError, match="ping: unknown host"):
        after("ping: unknown host").check()


@pytest.mark.parametrize(("took_ms", "patience"), [(3, 0.3), (50, 0.5), (600, 1.0)])
def test_what_shall_not_be_answered_is_waited_for_as_long_as_the_wire_is_slow(
    took_ms: float, patience: float
) -> None:
    assert after(answer(1.0, 0.5), answer(1.1, took_ms)).patience == pytest.approx(patience)


@given(
    st.lists(
        st.tuples(st.floats(0.01, 5.0), st.none() | st.floats(0.01, 900.0)), min_size=1, max_size=30
    )
)
def test_no_wire_is_silent_for_longer_than_nobody_answered(
    pings: list[tuple[float, float | None]],
) -> None:
    at, lines, answered_at, longest = 1000.0, [], None, 0.0
    for gap, took in pings:
        at += gap
        lines.append(missing(at) if took is None else answer(at, took))
        if took is not None:
            answered_at = at
        longest = at - answered_at if answered_at is not None else 0.0
    assert after(*lines).silence == pytest.approx(longest, abs=1e-5)


@pytest.mark.skipif(shutil.which("ping") is None, reason="needs ping")
def test_the_hosts_own_ping_prints_such_lines() -> None:
    command = WireProbe("here", "127.0.0.1").ping_on(0.05, 20)
    stream: Any = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE)
    with RunningPing(stream, "here") as ping:
        # On a busy host it may say that there is no answer yet, and have it a moment later.
        Deadline.after(60).wait_for(
            "three answers and no silence",
            lambda: ping.answers >= 3 and ping.silence == 0.0,
            every=0.02,
            watch=ping.check,
        )
    assert stream.returncode != 0  # it was ended, and would have gone on


def test_leaving_ends_the_ping_that_is_stuck() -> None:
    stream: Any = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.PIPE
    )
    with RunningPing(stream, "here"):
        pass
    assert stream.returncode is not None
