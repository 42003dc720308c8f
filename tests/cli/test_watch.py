"""`lab watch` and `lab ui`, with a stand-in lab."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from edge_lab.cli import ui as ui_module
from edge_lab.cli.app import app
from edge_lab.cli.watch import is_complete, picture
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.live import place as place_module
from edge_lab.live.lab import LiveLab
from edge_lab.live.snapshot import LabSnapshot
from tests.live.standin import QUICK, Somewhere, StandIn


@pytest.fixture
def lab(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


@pytest.fixture
def live(lab: StandIn) -> Iterator[LiveLab]:
    with LiveLab("default", Somewhere(lab), read_only=True, pace=QUICK) as found:
        yield found


def known(live: LiveLab) -> LabSnapshot:
    Deadline.after(30).wait_for("all parts", lambda: is_complete(live.snapshot()))
    return live.snapshot()


def text_of(seen: LabSnapshot) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(picture(seen))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_picture_shows_every_part(live: LiveLab, lab: StandIn) -> None:
    text = text_of(known(live))
    topology = lab.topology
    nodes, links, devices = topology.nodes, topology.links, topology.devices
    names = [node.name for node in nodes] + [link.name for link in links]
    for name in (*names, *(device.name for device in devices)):
        assert name in text
    for title in ("samples", "3 of 3 pods ready", "no active faults"):
        assert title in text
    assert "unknown" not in text


def test_what_is_silent_is_unknown_since_when(live: LiveLab, lab: StandIn) -> None:
    known(live)
    lab.silent |= {"nodes", "samples edge-arm"}
    wait = Deadline.after(30)
    wait.wait_for("nodes", lambda: live.snapshot().nodes.unknown_since)
    wait.wait_for("samples", lambda: live.snapshot().samples["edge-arm"].unknown_since)
    text = text_of(live.snapshot())
    assert "nodes: unknown since" in text
    assert "samples of edge-arm: unknown since" in text
    assert "links: unknown" not in text


def test_markup_in_what_a_lab_says_is_text(live: LiveLab, lab: StandIn) -> None:
    known(live)
    lab.broken["server"] = "power-off"
    lab.markup = "[red]x[/red][/]"

    def shown() -> bool:
        return any("[red]" in pod.phase for pod in live.snapshot().pods.value or ())

    Deadline.after(30).wait_for("pods", shown)
    assert "[red]x[/red][/]" in text_of(live.snapshot())


def place_of(found: Somewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place_module, "RunningLab", lambda name: found)


def test_once_prints_the_state_and_ends(lab: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    place_of(Somewhere(lab), monkeypatch)
    result = CliRunner().invoke(app, ["watch", "--once", "--lab", "default"])
    assert result.exit_code == 0


def test_once_fails_without_a_lab() -> None:
    result = CliRunner().invoke(app, ["watch", "--once", "--lab", "nowhere"])
    assert isinstance(result.exception, LabError)


def test_a_lab_that_is_not_there_is_said_to_be_so() -> None:
    with LiveLab("nowhere", place_module.RunningLab("nowhere"), read_only=True) as live:
        Deadline.after(30).wait_for("looked", lambda: is_complete(live.snapshot()))
        text = text_of(live.snapshot())
    assert "is not running" in text
    assert "lab up" in text


def test_without_a_terminal_it_says_what_to_use_instead() -> None:
    result = CliRunner().invoke(app, ["watch", "--lab", "default"])
    assert isinstance(result.exception, InputError)
    assert "--once" in result.exception.remedy


def test_the_page_without_its_packages_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ui_module, "EXTRA", ("starlette", "no_such_package"))
    result = CliRunner().invoke(app, ["ui", "--lab", "default"])
    assert isinstance(result.exception, InputError)
    assert "no_such_package" in result.exception.message
    assert "edge-lab[ui]" in result.exception.remedy


def test_a_page_that_others_reach_must_be_read_only() -> None:
    result = CliRunner().invoke(app, ["ui", "--lab", "default", "--bind", "192.0.2.1"])
    assert isinstance(result.exception, InputError)
    assert "--read-only" in result.exception.remedy
