"""`lab trace`: the trace of a running lab or of a file, as a table, a picture, a page, a copy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edge_lab.cli.app import app
from edge_lab.cli.render import next_steps
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.home import RunDir
from edge_lab.evidence.chrometrace import read_trace, write_trace
from edge_lab.evidence.trace import traced
from edge_lab.handle.state import read_state
from tests.evidence.recordedsteps import recorded
from tests.evidence.test_trace import trace_of

TRACE = trace_of(traced([recorded(1, None, 0, 9_000), recorded(2, 1, 1_000, 4_000, thread=8)]))


@pytest.fixture
def started(up: RunDir) -> RunDir:
    """A lab that is up and has the trace of its start."""
    write_trace(TRACE, up.trace)
    return up


def lab(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["trace", *arguments])


def test_the_trace_of_the_running_lab_is_shown(started: RunDir) -> None:
    said = lab()
    assert said.exit_code == 0
    assert "step 2" in said.stdout
    assert "1500 MiB" in said.stdout
    assert str(started.trace) in said.stdout


def test_it_is_copied_and_drawn(started: RunDir, tmp_path: Path) -> None:
    copy, svg, html = (tmp_path / name for name in ("t.json", "t.svg", "t.html"))
    said = lab("-o", str(copy), "--svg", str(svg), "--html", str(html))
    assert said.exit_code == 0
    assert read_trace(copy) == TRACE
    assert svg.read_text().startswith("<svg")
    assert html.read_text().startswith("<!doctype html>")
    assert [line.split()[0] for line in said.stdout.splitlines()] == ["wrote"] * 3


def test_standard_output_holds_the_trace_and_nothing_else(started: RunDir) -> None:
    assert json.loads(lab("--output", "-").stdout)["traceEvents"]


def test_a_kept_trace_needs_no_lab(tmp_path: Path) -> None:
    write_trace(TRACE, tmp_path / "trace.json")
    assert lab(str(tmp_path / "trace.json")).exit_code == 0
    assert isinstance(lab(str(tmp_path / "none.json")).exception, InputError)
    assert isinstance(lab().exception, LabError), "no lab is up"


def test_a_lab_without_a_trace_says_so(up: RunDir) -> None:
    assert isinstance(lab().exception, LabError)
    assert "trace" in str(lab().exception)


def test_after_a_start_its_trace_is_named(up: RunDir) -> None:
    state = read_state(up)
    assert state is not None
    assert str(up.trace) not in str(next_steps(up, state))
    write_trace(TRACE, up.trace)
    assert str(up.trace) in str(next_steps(up, state))
