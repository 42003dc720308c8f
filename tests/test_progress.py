from __future__ import annotations

import io
import re
import threading

import pytest
from rich.console import Console

from edge_lab.cli.progress import StepTree, showing_steps, time_so_far, void
from edge_lab.core.step import listening, step, warn


def test_children_of_a_step_that_ended_are_folded_away() -> None:
    tree = StepTree()
    with listening(lambda event: void(tree.take(event))), step("up"):
        with step("images"), step("arm64"):
            assert [row.title for row in tree.rows()] == ["up", "images", "arm64"]
        assert [row.title for row in tree.rows()] == ["up", "images"]


def test_plain_output_says_start_end_and_failure_in_order() -> None:
    sink = io.StringIO()
    console = Console(file=sink, force_terminal=False, width=100)
    with (
        showing_steps(console),
        pytest.raises(ValueError, match="no disk"),
        step("up"),
        step("images"),
    ):
        raise ValueError("no disk")
    lines = sink.getvalue().splitlines()
    assert lines == ["up …", "  images …", "  images: failed: no disk", "up: failed: no disk"]


def test_a_warning_stays_in_sight_when_its_step_has_ended() -> None:
    tree = StepTree()
    with listening(lambda event: void(tree.take(event))), step("up"):
        with step("images"), step("arm64"):
            warn("no mirror")
        with step("boot"):
            pass
        assert [row.title for row in tree.rows()] == ["up", "images", "warning: no mirror", "boot"]
        assert [row.title for row in tree.at_work()] == ["up"]


@pytest.mark.parametrize(("terminal", "times"), [(False, 1), (True, 2)])
def test_a_warning_is_printed_once(*, terminal: bool, times: int) -> None:
    """On a terminal it is in the first and the last frame of the tree."""
    sink = io.StringIO()
    with showing_steps(Console(file=sink, force_terminal=terminal, width=100)), step("up"):
        warn("no mirror")
    lines = [line for line in sink.getvalue().splitlines() if "no mirror" in line]
    assert len(lines) <= times
    assert lines
    if not terminal:
        assert lines == ["  warning: no mirror"]


def test_a_step_that_takes_long_gives_signs_of_life_with_its_time_and_what_is_left() -> None:
    lines: list[str] = []
    alive = threading.Event()

    class Sink(io.StringIO):
        def write(self, text: str) -> int:
            lines.extend(line for line in text.splitlines() if line)
            if len(signs()) >= 2:
                alive.set()
            return len(text)

    def signs() -> list[str]:
        """Those since all was told; on a busy host there may be some before."""
        return [line for line in lines if "compiled" in line and "so far" in line]

    console = Console(file=Sink(), force_terminal=False, width=10)
    with (
        showing_steps(console, life_seconds=0.05),
        step("up"),
        step("obtain 2 artifacts") as outer,
    ):
        outer.progress("1 left", 0.5)
        with step("build kubelet (x86_64)") as inner:
            inner.progress("compiled 12 packages of at most 60", 0.2)
            assert alive.wait(20)
    for sign in signs():
        assert sign.startswith("    build kubelet (x86_64): compiled 12 packages of at most 60;")
        assert "1 left" in sign
    (ended,) = (
        line for line in lines if re.fullmatch(r" +build kubelet \(x86_64\): [\d.]+ s", line)
    )
    assert lines.index(ended) > lines.index(signs()[-1])


def test_a_step_that_is_soon_over_gives_none() -> None:
    sink = io.StringIO()
    with showing_steps(Console(file=sink, force_terminal=False), life_seconds=30), step("up"):
        pass
    assert "so far" not in sink.getvalue()


def test_of_many_components_that_are_there_the_last_stay_in_sight() -> None:
    tree = StepTree()
    with (
        listening(lambda event: void(tree.take(event))),
        step("lab"),
        step("artifacts"),
        step("obtain"),
    ):
        for number in range(10):
            with step(f"get {number}"):
                pass
        shown = [row.title for row in tree.rows()]
    assert shown == ["lab", "artifacts", "obtain", "get 7", "get 8", "get 9"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.9, "0 s"), (59.9, "59 s"), (65, "1 min 05 s"), (3720, "1 h 02 min")]
)
def test_a_time_is_told_in_its_own_units(seconds: float, shown: str) -> None:
    assert time_so_far(seconds) == shown


def test_a_live_tree_can_be_drawn_with_a_bar() -> None:
    sink = io.StringIO()
    with showing_steps(Console(file=sink, force_terminal=True, width=100)), step("build") as this:
        this.progress("12 of 20 packages", 0.6)
    assert "build" in sink.getvalue()
