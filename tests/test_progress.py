from __future__ import annotations

import io

import pytest
from rich.console import Console

from edge_lab.cli.progress import StepTree, showing_steps, void
from edge_lab.core.step import listening, step


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


def test_a_live_tree_can_be_drawn_with_a_bar() -> None:
    sink = io.StringIO()
    with showing_steps(Console(file=sink, force_terminal=True, width=100)), step("build") as this:
        this.progress("12 of 20 packages", 0.6)
    assert "build" in sink.getvalue()
