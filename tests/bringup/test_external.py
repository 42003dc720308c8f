"""A lab with an external node: it has no checkpoint, and gives the node back whatever happens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edge_lab.bringup.checkpoint import CheckpointStore
from edge_lab.bringup.lifecycle import bring_up, restore_lab, save_lab, take_down
from edge_lab.cli.app import app
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError, LabError, NotPossible
from edge_lab.core.home import RunDir
from edge_lab.core.yamlmodel import Problem
from edge_lab.doctor.externalnodes import check_external_nodes
from edge_lab.doctor.host import Examination, Host
from edge_lab.machines.external import ExternalMachine, GivenBack
from edge_lab.topology import Topology, parse_topology
from tests.bringup.fake_host import FakeHost
from tests.external.topologies import EXTERNAL, POWER, with_more


@pytest.fixture
def topology() -> Topology:
    return parse_topology(EXTERNAL)


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The nodes that were given back."""
    done: list[str] = []

    def give_back(self: ExternalMachine, deadline: Deadline) -> GivenBack:
        done.append(self.name)
        return GivenBack(self.name)

    monkeypatch.setattr(ExternalMachine, "give_back", give_back)
    return done


@pytest.fixture
def host(
    topology: Topology, given_back: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeHost]:
    for check in ("require_host_interfaces", "require_external_nodes"):
        monkeypatch.setattr(f"edge_lab.bringup.lifecycle.{check}", lambda topology: None)
    yield FakeHost()
    take_down(topology.name)


def hand_over(topology: Topology) -> None:
    """As the node's boot does, which is a fake here."""
    (RunDir(topology.name).path / "board.handed-over").touch()


def test_it_is_neither_saved_nor_started_from_a_checkpoint(
    host: FakeHost, topology: Topology
) -> None:
    lab = bring_up(topology, host=host)
    assert "boot board" in host.done
    assert not [what for what in host.done if what.startswith(("save", "snapshot", "suspend"))]
    assert CheckpointStore().find(lab.state.checkpoint) is None
    assert lab.state.accelerator["board"] == "external"
    assert set(lab.state.ports.ssh) == {"server"}
    assert set(lab.state.payloads) == {"server"}
    for refused in (save_lab, restore_lab):
        with pytest.raises(NotPossible, match="no checkpoints: the state of board"):
            refused(topology.name, host)


def test_the_stack_is_waited_for_once_it_has_its_units(host: FakeHost, topology: Topology) -> None:
    """It answers before it has any, and a node without its units is a broken one."""

    class Slow(FakeHost):
        def do(self, what: str) -> None:
            if what == "boot board":
                with contextlib.suppress(DeadlineExceeded):
                    Deadline.after(0.5).wait_for(
                        "somebody looks too early", lambda: "wait stack" in self.done
                    )
                self.done.append("units on board")
            super().do(what)

    slow = Slow()
    bring_up(topology, host=slow)
    assert slow.done.index("units on board") < slow.done.index("wait stack")


def test_down_gives_it_back(host: FakeHost, topology: Topology, given_back: list[str]) -> None:
    bring_up(topology, host=host)
    hand_over(topology)
    assert take_down(topology.name).given_back == (GivenBack("board"),)
    assert given_back == ["board"]


def test_one_that_was_given_nothing_is_left_alone(
    host: FakeHost, topology: Topology, given_back: list[str]
) -> None:
    bring_up(topology, host=host)
    assert take_down(topology.name).given_back == ()
    assert given_back == []


def test_a_start_that_fails_gives_it_back(
    host: FakeHost, topology: Topology, given_back: list[str]
) -> None:
    class Provisioned(FakeHost):
        def do(self, what: str) -> None:
            if what == "boot board":
                hand_over(topology)
                raise LabError("planted")
            super().do(what)

    with pytest.raises(LabError, match="planted"):
        bring_up(topology, host=Provisioned())
    assert given_back == ["board"]
    assert not RunDir(topology.name).path.exists()


def test_the_command_says_what_became_of_it(
    host: FakeHost, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> Any:
        bring_up(topology, host=host)
        hand_over(topology)
        return CliRunner().invoke(app, ["down", "--lab", topology.name])

    done = down()
    assert done.exit_code == 0
    assert "board is given back; not removed: " in done.output
    monkeypatch.setattr(
        ExternalMachine,
        "give_back",
        lambda machine, deadline: GivenBack(machine.name, "it does not answer"),
    )
    done = down()
    assert done.exit_code == LabError.exit_code
    assert "board could not be given back: it does not answer" in done.output
    assert not RunDir(topology.name).path.exists()


def test_nothing_is_built_for_a_machine_that_cannot_join(
    topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_lab.bringup.lifecycle.require_host_interfaces", lambda topology: None)
    monkeypatch.setattr(
        "edge_lab.bringup.external.lacks", lambda topology, node, deadline: "board: no systemd"
    )
    host = FakeHost()
    with pytest.raises(InputError, match="no systemd"):
        bring_up(topology, host=host)
    assert host.done == []


# -- lab doctor ------------------------------------------------------------------------------


class Looked(Host):
    said: str | LabError = ""
    problem: Problem | None = None

    def driver_problem(self, topology: Topology) -> Problem | None:
        return self.problem

    def external_lacks(self, topology: Topology, node: Any) -> str:
        if isinstance(self.said, LabError):
            raise self.said
        return self.said


def seen(text: str, host: Host) -> dict[str, bool]:
    found = check_external_nodes(Examination(host, parse_topology(text), Path(), all_cached=True))
    checks = list(found)
    assert all(bool(check.remedy) != check.ok for check in checks)
    return {check.name: check.ok for check in checks}


def test_doctor_looks_at_the_node_and_its_drivers() -> None:
    host = Looked()
    assert seen(EXTERNAL, host) == {"node board": True}
    assert seen(with_more(POWER), host) == {"hardware drivers": True, "node board": True}
    host.problem = Problem("labgrid cannot be imported", remedy="Install it.")
    assert not seen(with_more(POWER), host)["hardware drivers"]
    host.said = "it has no systemd"
    assert seen(EXTERNAL, host) == {"node board": False}
    host.said = LabError("no SSH server answers there", remedy="Switch it on.")
    assert seen(EXTERNAL, host) == {"node board": False}
