"""Labs beside each other: those that do not fit wait, in the order in which they came."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from edge_lab.bringup import admission
from edge_lab.bringup.admission import (
    CPUS,
    MEMORY,
    Demand,
    Limits,
    admit,
    demands,
    forget_demand,
    read_limits,
)
from edge_lab.bringup.lifecycle import bring_up, take_down
from edge_lab.bringup.overview import overview
from edge_lab.cli.app import app
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError
from edge_lab.core.home import RunDir, cache_home
from edge_lab.core.process import spawn
from edge_lab.core.step import Phase, StepEvent, listening
from edge_lab.topology import Topology, load_topology
from tests.bringup.fake_host import FakeHost
from tests.conftest import LABS
from tests.test_lifecycle import SLEEP, made

SOON = 60.0


@pytest.fixture(scope="session")
def topology() -> Topology:
    return load_topology(LABS / "minimal.yaml")


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LOOK_EVERY", 0.01)


def called(topology: Topology, name: str) -> Topology:
    return topology.model_copy(update={"name": name})


def room_for(labs: int, topology: Topology) -> Limits:
    return Limits(Demand.of(topology).memory_mib * labs, None)


@contextlib.contextmanager
def coming(topology: Topology, name: str) -> Iterator[RunDir]:
    """A lab whose lock is held, as while it comes up."""
    run = RunDir(name)
    run.lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(run.lock):
        yield run


def admitted(run: RunDir, topology: Topology, limits: Limits, seconds: float = 0.0) -> bool:
    try:
        admit(run, topology, limits, Deadline.after(seconds))
    except DeadlineExceeded:
        return False
    return True


def test_labs_that_fit_do_not_wait(topology: Topology) -> None:
    limits = room_for(2, topology)
    with coming(topology, "a") as a, coming(topology, "b") as b:
        assert admitted(a, topology, limits)
        assert admitted(b, topology, limits)
        assert list(demands()) == ["a", "b"]


def test_one_too_many_waits_and_says_what_for(topology: Topology) -> None:
    limits = room_for(1, topology)
    told: list[StepEvent] = []
    with (
        coming(topology, "a") as a,
        coming(topology, "b") as b,
        listening(told.append),
    ):
        assert admitted(a, topology, limits)
        assert not admitted(b, topology, limits, 0.05)
    details = [event.detail for event in told if event.phase is Phase.PROGRESS]
    need = Demand.of(topology).memory_mib
    assert details[0] == f"{2 * need} of {need} MiB of memory: a"


def test_who_waits_goes_on_when_the_other_is_gone(topology: Topology) -> None:
    limits = room_for(1, topology)
    with coming(topology, "b") as b:
        with coming(topology, "a") as a:
            assert admitted(a, topology, limits)
            waiter = threading.Thread(
                target=admit, args=(b, topology, limits, Deadline.after(SOON))
            )
            waiter.start()
            waited = Deadline.after(SOON)
            waited.wait_for("b to wait", lambda: "b" in demands(), every=0.01)
            assert not demands()["b"].admitted
        waiter.join(SOON)  # the lock of `a` is free: it is gone
        assert demands()["b"].admitted


def test_a_small_lab_does_not_overtake_one_that_waits(topology: Topology) -> None:
    small = topology.model_copy(update={"nodes": topology.nodes[:1]})
    limits = Limits(Demand.of(topology).memory_mib + Demand.of(small).memory_mib, None)
    with (
        coming(topology, "a") as a,
        coming(topology, "b") as b,
        coming(topology, "c") as c,
    ):
        assert admitted(a, topology, limits)
        assert not admitted(b, topology, limits)
        assert not admitted(c, small, limits)
        forget_demand(b)
        assert admitted(c, small, limits)


def test_cpus_are_limited_too(topology: Topology) -> None:
    limits = Limits(None, 2 * Demand.of(topology).cpus - 1)
    with coming(topology, "a") as a, coming(topology, "b") as b:
        assert admitted(a, topology, limits)
        assert not admitted(b, topology, limits)


def test_what_a_killed_lab_has_written_does_not_count(topology: Topology) -> None:
    limits = room_for(1, topology)
    with coming(topology, "a") as a:
        assert admitted(a, topology, limits)
    assert demands() == {}
    with coming(topology, "b") as b:
        assert admitted(b, topology, limits)


def test_a_lab_that_is_up_counts_as_long_as_it_has_processes(topology: Topology) -> None:
    limits = room_for(1, topology)
    with coming(topology, topology.name) as run:
        assert admitted(run, topology, limits)
    made(topology)
    process = spawn(SLEEP, run=run.path, log=run.logs / "a.log")
    try:
        with coming(topology, "b") as b:
            assert not admitted(b, topology, limits)
            forget_demand(run)  # as of an older version: its state file tells
            assert not admitted(b, topology, limits)
    finally:
        process.kill()
        process.wait()
    assert demands() == {}


def test_a_lab_that_has_the_host_for_itself_is_not_kept_waiting(topology: Topology) -> None:
    with coming(topology, "a") as a:
        assert admitted(a, topology, Limits(1, None))


@pytest.mark.parametrize("limits", [Limits(1, None, memory_is_given=True), Limits(None, 1)])
def test_what_never_fits_a_given_limit_is_refused_at_once(
    topology: Topology, limits: Limits
) -> None:
    with coming(topology, "a") as a, pytest.raises(InputError, match="more than all labs may use"):
        admit(a, topology, limits, Deadline.after(SOON))


def test_damaged_files_count_for_nothing(topology: Topology) -> None:
    with coming(topology, "a") as a:
        (a.lock.with_suffix(".demand")).write_text("{}")
        assert demands() == {}


# -- limits --------------------------------------------------------------------------------


def test_limits_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MEMORY, raising=False)
    monkeypatch.delenv(CPUS, raising=False)
    host = read_limits()
    assert host.cpus is None
    assert host.memory_mib is not None
    assert not host.memory_is_given
    monkeypatch.setenv(MEMORY, "16Gi")
    monkeypatch.setenv(CPUS, "12")
    assert read_limits() == Limits(16 * 1024, 12, memory_is_given=True)
    monkeypatch.setenv(MEMORY, "none")
    monkeypatch.setenv(CPUS, "none")
    assert read_limits() == Limits(None, None)


@pytest.mark.parametrize(
    ("variable", "text"), [(MEMORY, "much"), (MEMORY, "0"), (CPUS, "0"), (CPUS, "-1"), (CPUS, "x")]
)
def test_what_is_no_limit_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(InputError, match=variable):
        read_limits()


# -- up, status, down ----------------------------------------------------------------------


def test_a_lab_takes_its_share_from_up_to_down(
    topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = Demand.of(topology)
    monkeypatch.setenv(MEMORY, f"{need.memory_mib}Mi")
    monkeypatch.setattr("edge_lab.bringup.lifecycle.QUEUE_SECONDS", 0.0)
    host = FakeHost()
    try:
        bring_up(topology, host=host)
        done = CliRunner().invoke(app, ["status", "--all", "--json"], catch_exceptions=False)
        found = json.loads(done.stdout)
        assert (found["memory_mib"], found["memory_limit_mib"]) == (
            need.memory_mib,
            need.memory_mib,
        )
        assert [(row["lab"], row["condition"]) for row in found["labs"]] == [(topology.name, "up")]
        with pytest.raises(DeadlineExceeded, match="has waited"):
            bring_up(called(topology, "second"), host=FakeHost())
        assert [row.lab for row in overview().labs] == [topology.name]
        shown = CliRunner().invoke(app, ["status", "--all"], catch_exceptions=False).stdout
        assert f"in use: {need.memory_mib} of {need.memory_mib} MiB of memory" in shown
    finally:
        take_down(topology.name, Deadline.after(SOON))
        take_down("second", Deadline.after(SOON))
    assert overview().labs == ()
    assert not list((cache_home() / "labs").iterdir())


def test_a_start_that_fails_gives_its_share_back(topology: Topology) -> None:
    host = FakeHost(fails={f"boot {topology.server.name}": RuntimeError("planted")})
    with pytest.raises(RuntimeError, match="planted"):
        bring_up(topology, host=host)
    assert not Path(RunDir(topology.name).lock.with_suffix(".demand")).exists()


def test_a_lab_that_waits_is_shown(topology: Topology) -> None:
    limits = room_for(1, topology)
    with coming(topology, "a") as a, coming(topology, "b") as b:
        assert admitted(a, topology, limits)
        assert not admitted(b, topology, limits)
        rows = {row.lab: row.condition for row in overview().labs}
        assert rows["b"] == "waiting"
