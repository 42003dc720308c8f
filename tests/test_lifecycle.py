from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.bringup import lifecycle
from edge_lab.bringup.attach import attach
from edge_lab.bringup.lifecycle import UpOptions, bring_up, take_down
from edge_lab.bringup.retention import KEPT, keep_evidence
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.home import RunDir
from edge_lab.core.process import lock_holder, spawn
from edge_lab.handle.state import (
    Condition,
    LabState,
    Ports,
    WirePorts,
    known_labs,
    read_state,
    state_if_up,
)
from edge_lab.machines.daemonrooms import DaemonRooms
from edge_lab.topology import Timing, Topology

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
HOLD = (
    "import sys, time; from filelock import FileLock\n"
    "lock = FileLock(sys.argv[1]); lock.acquire(); print('held', flush=True); time.sleep(600)\n"
)


def soon() -> Deadline:
    return Deadline.after(20)


def state_of(topology: Topology, condition: Condition = Condition.UP) -> LabState:
    return LabState(
        lab=topology.name,
        topology=topology,
        stack="kubernetes+kubelet",
        condition=condition,
        ports=Ports(
            api=20001,
            ssh={node.name: 20002 + n for n, node in enumerate(topology.nodes)},
            wires={
                link.name: WirePorts(fabric=21000 + 2 * n, endpoint=21001 + 2 * n)
                for n, link in enumerate(topology.links)
            },
        ),
        accelerator={node.name: "tcg" for node in topology.nodes},
        image_digests={},
        payloads={},
        kubectl=Path("/nowhere/kubectl"),
        versions={},
        checkpoint="key",
    )


def made(topology: Topology, condition: Condition = Condition.UP) -> RunDir:
    run = RunDir(topology.name)
    run.make()
    state_of(topology, condition).write(run)
    return run


@contextlib.contextmanager
def living(topology: Topology) -> Iterator[RunDir]:
    """The lab, up, with one process of its own."""
    run = made(topology)
    process = spawn(SLEEP, run=run.path, log=run.logs / "a.log")
    yield run
    process.kill()
    process.wait()


@pytest.fixture
def alive(default_topology: Topology) -> Iterator[RunDir]:
    with living(default_topology) as run:
        yield run


def hold(lock: Path) -> subprocess.Popen[str]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_the_kernel_says_who_holds_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    assert lock_holder(lock) is None
    holder = hold(lock)
    try:
        assert lock_holder(lock) == holder.pid
    finally:
        holder.kill()
        holder.wait()
    assert lock_holder(lock) is None


def test_taking_down_a_lab_that_is_not_there_is_no_error() -> None:
    gone = take_down("nothing", soon())
    assert gone.processes == 0
    assert gone.evidence is None


def test_taking_down_ends_processes_and_leaves_no_run_directory(
    default_topology: Topology, own_cache: Path
) -> None:
    run = made(default_topology)
    (run.consoles / "server.log").write_text("a line")
    process = spawn(SLEEP, run=run.path, log=run.logs / "a.log")
    gone = take_down(default_topology.name, soon())
    assert process.wait(10) != 0
    assert gone.processes == 1
    assert gone.evidence is not None
    assert (gone.evidence / "consoles" / "server.log").read_text() == "a line"
    assert not run.path.exists()
    assert list((own_cache / "edge-lab" / "labs").iterdir()) == []


@pytest.mark.slow(reason="a bring-up as a process")
def test_taking_down_ends_whoever_is_still_bringing_it_up(
    default_topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "LOCK_SECONDS", 0.5)
    run = made(default_topology, Condition.COMING_UP)
    holder = hold(run.lock)
    gone = take_down(default_topology.name, soon())
    assert holder.wait(10) != 0
    assert gone.processes == 1
    assert not run.path.exists()


def test_only_the_newest_evidence_is_kept(own_cache: Path) -> None:
    for number in range(KEPT + 2):
        run = RunDir("a")
        run.make()
        (run.logs / "n.log").write_text(str(number))
        assert keep_evidence(run) is not None
    kept = sorted((own_cache / "edge-lab" / "kept").iterdir())
    texts = [(each / "logs" / "n.log").read_text() for each in kept]
    assert texts == [str(number) for number in range(2, KEPT + 2)]


def test_what_an_emulator_has_said_is_kept_too(own_cache: Path) -> None:
    run = RunDir("a")
    run.make()
    (run.logs / "n.log").touch()
    folder = DaemonRooms.of(run).emulator_logs
    folder.mkdir(parents=True)
    (folder / "a-server.log").write_text("terminating on signal 15 from pid 1")
    kept = keep_evidence(run)
    assert kept is not None
    assert "signal 15" in (kept / "logs" / "emulator-a-server.log").read_text()


def test_a_lab_that_is_only_coming_up_cannot_be_attached_to(default_topology: Topology) -> None:
    made(default_topology, Condition.COMING_UP)
    with pytest.raises(LabError, match="is not running"):
        attach(default_topology.name)


def test_a_name_that_no_lab_has_is_answered_with_those_there_are(
    default_topology: Topology,
) -> None:
    made(default_topology)
    with pytest.raises(LabError) as caught:
        attach("misspelt")
    assert default_topology.name in caught.value.remedy


def test_a_damaged_state_is_a_lab_error_with_a_remedy(default_topology: Topology) -> None:
    run = made(default_topology)
    run.state.write_text("{}")
    with pytest.raises(LabError, match="cannot read") as caught:
        read_state(run)
    assert "lab down" in caught.value.remedy


def test_the_state_is_read_back_as_it_was_written(default_topology: Topology) -> None:
    run = made(default_topology)
    assert read_state(run) == state_of(default_topology)
    assert known_labs() == (default_topology.name,)


def test_a_lab_of_another_topology_that_is_up_is_not_taken_for_this_one(
    default_topology: Topology, alive: RunDir
) -> None:
    other = default_topology.model_copy(update={"devices": ()})
    with pytest.raises(InputError, match="with another topology is running") as caught:
        bring_up(other)
    assert "lab down" in caught.value.remedy


def test_a_lab_that_is_up_at_the_pace_of_a_slow_host_is_the_same_one(
    default_topology: Topology, alive: RunDir
) -> None:
    slow = {"topology": default_topology.at_pace(2), "pace": 2}
    state_of(default_topology).model_copy(update=slow).write(alive)
    with pytest.raises(InputError, match=r"is running with the stack kubernetes\+kubelet"):
        bring_up(default_topology, UpOptions(stack="kubernetes+openyurt"))  # no other objection
    other = default_topology.model_copy(update={"timing": Timing()})
    with pytest.raises(InputError, match="with another topology is running"):
        bring_up(other)


def test_a_lab_that_is_up_with_another_stack_is_not_taken_for_this_one(
    default_topology: Topology, alive: RunDir
) -> None:
    with pytest.raises(InputError, match=r"is running with the stack kubernetes\+kubelet"):
        bring_up(default_topology, UpOptions(stack="kubernetes+openyurt"))


def test_a_lab_whose_processes_are_all_gone_is_up_no_more(default_topology: Topology) -> None:
    run = made(default_topology)
    with pytest.raises(LabError, match="no longer running") as caught:
        attach(default_topology.name)
    assert "`lab up`" in caught.value.remedy
    assert read_state(run) is not None
    assert state_if_up(run) is None


@pytest.mark.slow(reason="processes are started and ended")
def test_what_is_left_of_a_lab_that_is_up_no_more_is_cleared_for_the_next(
    default_topology: Topology, own_cache: Path
) -> None:
    run = made(default_topology)
    (run.logs / "fabric.log").write_text("the last line")
    with pytest.raises(InputError, match="no stack 'k3s'"):  # which comes after the clearing
        bring_up(default_topology, UpOptions(stack="k3s"))
    assert not run.path.exists()
    (kept,) = (own_cache / "edge-lab" / "kept").iterdir()
    assert (kept / "logs" / "fabric.log").read_text() == "the last line"


def test_a_lab_with_a_process_left_is_still_up(alive: RunDir) -> None:
    assert state_if_up(alive) == read_state(alive)


def test_an_unknown_stack_is_refused_and_leaves_nothing(
    default_topology: Topology,
) -> None:
    with pytest.raises(InputError, match="no stack 'k3s'"):
        bring_up(default_topology, UpOptions(stack="k3s"))
    assert known_labs() == ()
