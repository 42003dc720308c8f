"""Up, save, restore and down on a host without guests, and each step of them failing."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from edge_lab.bringup.attach import attach
from edge_lab.bringup.checkpoint import CheckpointStore
from edge_lab.bringup.lifecycle import UpOptions, bring_up, restore_lab, save_lab, take_down
from edge_lab.bringup.saving import SaveFailed, restore_checkpoint, save_checkpoint
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.home import RunDir, cache_home
from edge_lab.core.process import processes_of
from edge_lab.core.step import Phase, StepEvent, listening
from edge_lab.handle.lab import Lab
from edge_lab.handle.state import Condition, read_state
from edge_lab.topology import Topology, load_topology
from suites import bringup
from tests.bringup.fake_host import FakeHost
from tests.conftest import LABS

slow = pytest.mark.slow(reason="brings a lab up for each file of a checkpoint that may be damaged")

TROUBLE = LabError("planted")
DISK_FULL = OSError(errno.ENOSPC, "No space left on device")


def soon() -> Deadline:
    return Deadline.after(20)


@pytest.fixture(scope="session")
def topology() -> Topology:
    return load_topology(LABS / "minimal.yaml")


@pytest.fixture
def host(topology: Topology) -> Iterator[FakeHost]:
    yield FakeHost()
    take_down(topology.name, soon())


@pytest.fixture
def lab(host: FakeHost, topology: Topology) -> Lab:
    """A lab that is up after a cold start, and has a checkpoint."""
    return bring_up(topology, host=host)


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """The titles of all warnings."""
    titles: list[str] = []

    def listen(event: StepEvent) -> None:
        if event.phase is Phase.WARNING:
            titles.append(event.title)

    with listening(listen):
        yield titles


def nothing_is_left(topology: Topology) -> bool:
    run = RunDir(topology.name)
    return not run.path.exists() and not any(processes_of(run.path))


def checkpoints() -> list[str]:
    root = cache_home() / "checkpoints"
    return sorted(path.name for path in root.iterdir()) if root.is_dir() else []


def steps_of(host: FakeHost, action: Callable[[], object]) -> list[str]:
    """What `action` asks of the host, each once."""
    host.done.clear()
    action()
    return list(dict.fromkeys(host.done))


# -- a cold start ------------------------------------------------------------------------------


def test_a_cold_start_walks_all_stages_in_their_order(host: FakeHost, topology: Topology) -> None:
    lab = bring_up(topology, UpOptions(save=False), host)
    bringup.assert_up(lab, soon())
    assert not lab.state.restored
    assert [step for step in host.done if not step.startswith("boot")] == [
        *("plan", "provision", "payload disk", "payload disk", "given", "start fabric"),
        *("start devices", "open", "wait control plane", "wait stack"),
        *("apply twins", "wait twins", "apply workload", "wait workload"),
    ]
    control_plane = host.done.index("wait control plane")
    assert host.done.index("open") < host.done.index("boot server")
    assert control_plane < host.done.index("boot edge-arm")
    assert checkpoints() == []


def test_a_lab_that_is_up_is_attached_to(lab: Lab, host: FakeHost, topology: Topology) -> None:
    assert steps_of(host, lambda: bring_up(topology, host=host)) == []


def test_each_stage_of_a_cold_start_that_fails_leaves_nothing(
    host: FakeHost, topology: Topology
) -> None:
    options = UpOptions(save=False)
    steps = steps_of(host, lambda: bring_up(topology, options, host))
    take_down(topology.name, soon())
    assert len(steps) > 10
    for failing in steps:
        for trouble in (TROUBLE, KeyboardInterrupt()):
            host.fails, host.guests = {failing: trouble}, {}
            with pytest.raises(type(trouble)):
                bring_up(topology, options, host)
            assert host.fails == {}, failing
            assert nothing_is_left(topology), failing
            assert {guest.power for guest in host.guests.values()} <= {"off"}, failing
    bringup.assert_up(bring_up(topology, options, host), soon())


def test_a_start_that_fails_does_not_wait_for_its_boots(host: FakeHost, topology: Topology) -> None:
    for failing, hanging in (("wait control plane", "server"), ("wait stack", "edge-arm")):
        host.fails, host.hangs, host.guests = {failing: KeyboardInterrupt()}, {hanging}, {}
        with pytest.raises(KeyboardInterrupt):
            bring_up(topology, UpOptions(save=False), host)
        assert f"left on {hanging}" not in host.done
        assert nothing_is_left(topology)
        assert {guest.power for guest in host.guests.values()} <= {"off"}


def test_the_journals_of_a_failed_start_are_kept(host: FakeHost, topology: Topology) -> None:
    host.fails = {"wait stack": LabError("planted")}
    with pytest.raises(LabError) as caught:
        bring_up(topology, host=host)
    (kept,) = (cache_home() / "kept").iterdir()
    assert str(kept) in caught.value.remedy
    assert (kept / "logs" / "journal-edge-arm.log").read_text() == "the journal of edge-arm"


# -- the checkpoint that a cold start saves ---------------------------------------------------


def save_steps(host: FakeHost, lab: Lab) -> list[str]:
    """Those of a save up to the restore that it ends with."""
    steps = steps_of(host, lambda: save_checkpoint(lab, soon()))
    return steps[: steps.index("power off server")]


@pytest.mark.parametrize("trouble", [TROUBLE, DISK_FULL], ids=["lab error", "disk full"])
def test_a_cold_start_that_cannot_save_is_a_lab_that_is_up(
    host: FakeHost, topology: Topology, warnings: list[str], trouble: Exception
) -> None:
    steps = save_steps(host, bring_up(topology, host=host))
    assert len(steps) > 6
    for failing in steps:
        take_down(topology.name, soon())
        host.fails = {failing: trouble}
        warnings.clear()
        lab = bring_up(topology, UpOptions(cold=True), host)
        assert host.fails == {}, failing
        bringup.assert_up(lab, soon())
        bringup.assert_clocks_fit(lab, soon())
        assert host.paused == set(), failing
        assert {guest.boots for guest in host.guests.values()} == {1}
        assert len(warnings) == 1, failing


def test_a_checkpoint_that_cannot_be_restored_at_once_is_not_kept(
    host: FakeHost, topology: Topology
) -> None:
    host.fails = {"restore edge-arm": LabError("planted")}
    with pytest.raises(LabError):
        bring_up(topology, host=host)
    assert checkpoints() == []
    assert nothing_is_left(topology)


# -- a start from a checkpoint ----------------------------------------------------------------


def test_a_start_from_a_checkpoint_boots_nothing(
    lab: Lab, host: FakeHost, topology: Topology
) -> None:
    bringup.leave(lab.machine("edge-arm"), "later", soon())
    take_down(topology.name, soon())
    steps = steps_of(host, lambda: bring_up(topology, host=host))
    lab = attach(topology.name, host)
    bringup.assert_up(lab, soon())
    bringup.assert_clocks_fit(lab, soon())
    assert lab.state.restored
    assert not [step for step in steps if step.startswith("boot")]
    with pytest.raises(LabError):
        bringup.found(lab.machine("edge-arm"), soon())


def test_a_checkpoint_of_another_emulator_does_not_fit(
    lab: Lab, host: FakeHost, topology: Topology
) -> None:
    take_down(topology.name, soon())
    host.emulator = "2.0"
    assert not bring_up(topology, host=host).state.restored
    assert len(checkpoints()) == 2


def test_a_checkpoint_whose_guests_would_be_given_something_else_is_stale(
    lab: Lab, host: FakeHost, topology: Topology
) -> None:
    take_down(topology.name, soon())
    host.recipe = "the recipe of tomorrow"
    assert not bring_up(topology, host=host).state.restored
    take_down(topology.name, soon())
    assert bring_up(topology, host=host).state.restored


@pytest.mark.slow(reason="a start for each of its stages")
@pytest.mark.parametrize(
    "trouble", [TROUBLE, ValueError("no JSON")], ids=["lab error", "any error"]
)
def test_whatever_fails_of_a_restoring_start_it_becomes_a_cold_one(
    lab: Lab, host: FakeHost, topology: Topology, trouble: Exception
) -> None:
    take_down(topology.name, soon())
    steps = steps_of(host, lambda: bring_up(topology, host=host))
    first = steps.index("start fabric")
    for failing in steps[first:]:
        take_down(topology.name, soon())
        host.fails = {failing: trouble}
        lab = bring_up(topology, UpOptions(save=False), host)
        assert host.fails == {}, failing
        bringup.assert_up(lab, soon())
        assert not lab.state.restored
        assert checkpoints() == [], failing
        save_checkpoint(lab, soon())


def test_an_interrupt_of_a_restoring_start_leaves_its_checkpoint(
    lab: Lab, host: FakeHost, topology: Topology
) -> None:
    take_down(topology.name, soon())
    host.fails = {"restore server": KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        bring_up(topology, host=host)
    assert nothing_is_left(topology)
    assert bring_up(topology, host=host).state.restored


def damages(checkpoint: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Everything in a checkpoint gone, and each file of it empty or cut short; one key for all."""
    keys = {path for path in (checkpoint / "keys").rglob("*") if path.name != "ca.key"}
    for path in sorted(set(checkpoint.rglob("*")) - keys):
        name = str(path.relative_to(checkpoint))
        if path.is_dir():
            yield f"{name} is gone", partial(shutil.rmtree, path)
        else:
            yield f"{name} is gone", path.unlink
            yield f"{name} is empty", partial(path.write_bytes, b"")
            half = path.read_bytes()[: path.stat().st_size // 2]
            yield f"{name} is cut short", partial(path.write_bytes, half)


@slow
def test_a_damaged_checkpoint_never_ends_in_a_traceback(
    lab: Lab, host: FakeHost, topology: Topology, tmp_path: Path
) -> None:
    (key,) = checkpoints()
    stored, sound = CheckpointStore().root / key, tmp_path / "sound"
    shutil.copytree(stored, sound)
    for what, _ in list(damages(sound)):
        take_down(topology.name, soon())
        shutil.rmtree(stored, ignore_errors=True)
        shutil.copytree(sound, stored)
        next(damage for name, damage in damages(stored) if name == what)()
        lab = bring_up(topology, UpOptions(save=False), host)
        bringup.assert_up(lab, soon())
        if not lab.state.restored:
            assert checkpoints() == [], what


@pytest.mark.parametrize("part", ["state.json", "fabric.json", "server.memory", "edge-arm.qcow2"])
def test_what_a_restore_cannot_do_without_makes_the_start_cold(
    lab: Lab, host: FakeHost, topology: Topology, part: str
) -> None:
    take_down(topology.name, soon())
    path = CheckpointStore().root / checkpoints()[0] / part
    path.write_bytes(path.read_bytes()[:1])
    assert not bring_up(topology, UpOptions(save=False), host).state.restored


# -- save and restore of a running lab ---------------------------------------------------------


def test_a_save_goes_on_from_where_it_was(lab: Lab) -> None:
    bringup.assert_save_and_restore(lab, lab.machine("edge-arm"), soon())


def test_each_step_of_a_save_that_fails_leaves_the_lab_as_it_was(
    lab: Lab, host: FakeHost, topology: Topology
) -> None:
    edge = lab.machine("edge-arm")
    for failing in save_steps(host, lab):
        before = checkpoints()
        bringup.leave(edge, failing, soon())
        host.fails = {failing: LabError("planted")}
        with pytest.raises(SaveFailed):
            save_lab(topology.name, host)
        bringup.assert_up(attach(topology.name, host), soon())
        assert bringup.found(edge, soon()) == (failing, failing)
        assert host.paused == set()
        assert checkpoints() == before, "the one from before is still good"
    assert {guest.boots for guest in host.guests.values()} == {1}


def test_a_lab_that_cannot_go_on_after_a_save_says_so(
    lab: Lab, host: FakeHost, topology: Topology
) -> None:
    host.fails = {"save disk server": LabError("planted"), "recover server": LabError("planted")}
    with pytest.raises(LabError) as caught:
        save_lab(topology.name, host)
    assert not isinstance(caught.value, SaveFailed)
    assert "lab down" in caught.value.remedy
    state = read_state(lab.run)
    assert state is not None
    assert state.condition is Condition.IN_TRANSITION
    with pytest.raises(LabError):
        attach(topology.name, host)
    bringup.assert_up(bring_up(topology, host=host), soon())


def test_a_restore_that_fails_half_way_is_no_lab_that_is_up(
    lab: Lab, host: FakeHost, topology: Topology
) -> None:
    steps = steps_of(host, lambda: restore_lab(topology.name, host))
    assert len(steps) > 8
    for failing in steps:
        host.fails = {failing: LabError("planted")}
        with pytest.raises(LabError):
            restore_checkpoint(lab, soon())
        with pytest.raises(LabError):
            attach(topology.name, host)
        restore_checkpoint(lab, soon())  # by whoever still has hold of it
        bringup.assert_up(attach(topology.name, host), soon())


def test_a_restore_puts_the_first_kubeconfig_of_the_host_back(lab: Lab, host: FakeHost) -> None:
    first = lab.run.kubeconfig.read_bytes()
    lab.run.kubeconfig.with_name("kubeconfig.original").write_bytes(first)
    lab.run.kubeconfig.write_bytes(first + b"# trusts another authority\n")
    restore_checkpoint(lab, soon())
    assert lab.run.kubeconfig.read_bytes() == first


def test_a_restore_from_a_damaged_checkpoint_touches_nothing(
    lab: Lab, host: FakeHost, topology: Topology
) -> None:
    (CheckpointStore().root / checkpoints()[0] / "server.memory").unlink()
    host.done.clear()
    with pytest.raises(LabError):
        restore_lab(topology.name, host)
    assert host.done == []
    bringup.assert_up(attach(topology.name, host), soon())


def test_without_a_checkpoint_there_is_nothing_to_restore(
    host: FakeHost, topology: Topology
) -> None:
    lab = bring_up(topology, UpOptions(save=False), host)
    with pytest.raises(LabError):
        restore_checkpoint(lab, soon())
    bringup.assert_up(attach(topology.name, host), soon())


# -- whoever runs the machines -----------------------------------------------------------------


def test_machines_keep_what_their_protocol_promises(lab: Lab) -> None:
    for machine in lab.machines.values():
        bringup.assert_switches(machine)
        bringup.assert_no_second_power_on(machine)


def test_a_lab_whose_host_was_restarted_comes_up_again(
    lab: Lab, host: FakeHost, topology: Topology
) -> None:
    host.stop(lab.run)
    with pytest.raises(LabError):
        attach(topology.name, host)
    assert bring_up(topology, host=host).state.restored


def test_an_unknown_stack_is_refused_before_anything_is_made(
    host: FakeHost, topology: Topology
) -> None:
    with pytest.raises(InputError):
        bring_up(topology, UpOptions(stack="nothing"), host)
    assert nothing_is_left(topology)
