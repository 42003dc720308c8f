"""The search for the smallest memory, in labs without guests: what counts as a failure of what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.core.home import RunDir
from edge_lab.handle.lab import Lab
from edge_lab.topology import Topology, load_topology
from suites.memory import serverside
from suites.memory.floor import SIZES, Attempt, Floor, Stage, find_floor, measures_of
from suites.memory.floorlabs import LAB, FloorLab, lab_of_one
from suites.memory.serverside import watched_server
from suites.memory.shortages import shortage_in
from tests.bringup.fake_host import FakeHost
from tests.budget import examples
from tests.conftest import LABS

NODE = "edge-arm"
KILLED = (
    "[  61.2] Out of memory: Killed process 412 (kubelet) total-vm:1kB, anon-rss:1kB, file-rss:0kB"
)
AT_A_LIMIT = "[  61.2] Memory cgroup out of memory: Killed process 412 (tail) total-vm:1kB"


# -- the search --------------------------------------------------------------------------------


@settings(max_examples=examples(60))
@given(
    st.lists(st.integers(512, 4096), min_size=1, max_size=12), st.integers(0, 5000), st.booleans()
)
def test_the_smallest_size_that_is_enough_is_found(
    sizes: list[int], need: int, shown: bool
) -> None:
    def attempt(mib: int) -> Attempt:
        if mib >= need:
            return Attempt(mib)
        return Attempt(mib, Stage.JOIN, "late", (KILLED,) if shown else ())

    floor = find_floor(attempt, sizes)
    assert floor.mib == min((mib for mib in sizes if mib >= need), default=None)
    assert floor.attempts[0].mib == max(sizes)
    if floor.mib is not None and floor.mib != min(sizes):
        below = max(mib for mib in sizes if mib < floor.mib)
        assert below in {attempt.mib for attempt in floor.attempts if not attempt.passed}


@dataclass
class Flaky:
    """Passes from 1024 MiB on; fails `slips` times at 1024 without a sign of a shortage."""

    slips: int
    shortage: tuple[str, ...] = ()
    tried: list[int] = field(default_factory=list)

    def __call__(self, mib: int) -> Attempt:
        self.tried.append(mib)
        if mib == 1024 and self.tried.count(1024) <= self.slips:
            return Attempt(mib, Stage.RECOVER, "late", self.shortage)
        return Attempt(mib, None if mib >= 1024 else Stage.JOIN, shortage=(KILLED,) * (mib < 1024))


def test_a_size_that_fails_without_a_shortage_is_tried_twice() -> None:
    once, twice = Flaky(1), Flaky(2)
    assert find_floor(once).mib == 1024
    assert find_floor(twice).mib == 1536
    assert twice.tried.count(1024) == 2


def test_a_shortage_that_was_seen_needs_no_second_lab() -> None:
    flaky = Flaky(1, (KILLED,))
    assert find_floor(flaky).mib == 1536
    assert flaky.tried.count(1024) == 1


def test_a_node_that_fails_with_the_most_has_no_floor() -> None:
    floor = find_floor(lambda mib: Attempt(mib, Stage.JOIN, "late"))
    assert floor.mib is None
    assert {attempt.mib for attempt in floor.attempts} == {SIZES[0]}
    (measure,) = measures_of(floor, NODE)
    assert measure.value is None
    assert measure.reason


def test_the_measure_is_the_floor_and_lower_is_better() -> None:
    attempts = (Attempt(2048), Attempt(1024, available_mib=99.5), Attempt(768, Stage.JOIN, "late"))
    floor, available = measures_of(Floor(1024, attempts), NODE)
    assert (floor.value, floor.unit, floor.better) == (1024, "MiB", "lower")
    assert available.value == 99.5
    assert not Floor(1024, attempts).is_least_tried
    assert Floor(512, (Attempt(512),)).is_least_tried


def test_a_pod_at_its_own_limit_is_no_shortage_of_the_node() -> None:
    assert shortage_in(f"{AT_A_LIMIT}\nstarted\n{KILLED}") == [KILLED]
    assert shortage_in("Kernel panic - not syncing: Attempted to kill init!") == []
    assert shortage_in("[ 1.0] Initramfs unpacking failed: write error") != []


# -- one attempt -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology(LABS / "default.yaml")


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def does_it_all(lab: Lab, node: str) -> Iterator[Stage]:
    yield from Stage


def floor_lab(
    topology: Topology, host: FakeHost, exercise: Any = does_it_all, server: str = ""
) -> FloorLab:
    """`server` is what is wrong with the server when it is asked."""
    return FloorLab(topology, NODE, exercise, host=host, server_watch=lambda lab: lambda: server)


def test_the_lab_has_the_server_and_one_edge_node_of_that_size(topology: Topology) -> None:
    small = lab_of_one(topology, NODE, 768)
    assert {node.name: node.memory for node in small.nodes} == {"server": 2048, NODE: 768}
    assert {device.name for device in small.devices} == {"boiler", "press"}
    assert all(set(device.twins) <= {NODE} for device in small.devices)
    assert small.name == LAB


def test_a_node_that_does_it_all_passes_and_nothing_is_left(
    topology: Topology, host: FakeHost
) -> None:
    attempt = floor_lab(topology, host).attempt(768)
    assert attempt.passed
    assert host.guests["server"].boots == 1
    assert not RunDir(LAB).path.exists()


@pytest.mark.parametrize("step", ["boot edge-arm", "wait stack", "wait workload"])
def test_what_fails_once_the_node_is_on_is_a_failure_of_that_size(
    topology: Topology, host: FakeHost, step: str
) -> None:
    host.fails = {step: DeadlineExceeded(f"{NODE} is Ready: not seen within 900 s")}
    attempt = floor_lab(topology, host).attempt(512)
    assert attempt.failed_at is Stage.JOIN
    assert "not seen" in attempt.reason
    assert not RunDir(LAB).path.exists()


@pytest.mark.parametrize(
    "step", ["plan", "provision", "start fabric", "boot server", "wait control plane"]
)
def test_what_fails_before_is_an_error_of_the_lab(
    topology: Topology, host: FakeHost, step: str
) -> None:
    host.fails = {step: LabError("planted")}
    with pytest.raises(LabError, match="planted"):
        floor_lab(topology, host).attempt(512)
    assert not RunDir(LAB).path.exists()


@pytest.mark.parametrize(
    "message", ["server: kernel panic on its console: x", "kine.service on server has failed (x)"]
)
def test_a_server_that_dies_later_is_an_error_of_the_lab(
    topology: Topology, host: FakeHost, message: str
) -> None:
    host.fails = {"wait stack": LabError(message)}
    with pytest.raises(LabError):
        floor_lab(topology, host).attempt(512)


def test_the_console_of_a_failed_start_tells_of_the_shortage(
    topology: Topology, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDir(LAB)
    do = host.do

    def printing(what: str) -> None:
        if what == "boot edge-arm":
            (run.consoles / f"{NODE}.log").write_text(f"booting\n{KILLED}\n")
        do(what)

    monkeypatch.setattr(host, "do", printing)
    host.fails = {"boot edge-arm": LabError(f"{NODE}: out of memory on its console")}
    attempt = floor_lab(topology, host).attempt(512)
    assert attempt.shortage == (KILLED,)
    assert not attempt.passed


def test_a_node_that_works_while_its_kernel_kills_has_not_passed(
    topology: Topology, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exercise(lab: Lab, node: str) -> Iterator[Stage]:
        (lab.run.consoles / f"{node}.log").write_text(KILLED)
        yield from Stage

    attempt = floor_lab(topology, host, exercise).attempt(512)
    assert not attempt.passed
    assert attempt.shortage == (KILLED,)


@pytest.mark.parametrize("trouble", [AssertionError("it is not well"), LabError("no answer")])
def test_a_stage_that_fails_is_named(
    topology: Topology, host: FakeHost, trouble: Exception
) -> None:
    def exercise(lab: Lab, node: str) -> Iterator[Stage]:
        yield Stage.SETTLE
        yield Stage.REBOOT
        raise trouble

    attempt = floor_lab(topology, host, exercise).attempt(1024)
    assert (attempt.failed_at, attempt.reason) == (Stage.REBOOT, str(trouble))
    assert attempt.shortage == ()


@pytest.mark.parametrize("failure", [AssertionError("it is not well"), LabError("no answer")])
def test_a_node_that_fails_for_its_server_has_no_higher_floor(
    topology: Topology, host: FakeHost, failure: Exception
) -> None:
    """Its attempt says nothing; the same without the server's trouble is a failure of that size."""

    def exercise(lab: Lab, node: str) -> Iterator[Stage]:
        yield Stage.SETTLE
        raise failure

    with pytest.raises(LabError) as caught:
        floor_lab(topology, host, exercise, "the server ran out of memory").attempt(1024)
    assert caught.value.remedy
    assert not RunDir(LAB).path.exists()
    assert floor_lab(topology, FakeHost(), exercise).attempt(1024).failed_at is Stage.SETTLE


def test_a_node_that_shows_its_own_shortage_has_failed_whatever_its_server_did(
    topology: Topology, host: FakeHost
) -> None:
    def exercise(lab: Lab, node: str) -> Iterator[Stage]:
        (lab.run.consoles / f"{node}.log").write_text(KILLED)
        yield Stage.SETTLE
        raise AssertionError("it is not well")

    attempt = floor_lab(topology, host, exercise, "the API server is not ready").attempt(512)
    assert attempt.shortage == (KILLED,)


def test_a_node_that_works_passes_whatever_its_server_went_through(
    topology: Topology, host: FakeHost
) -> None:
    assert (
        floor_lab(topology, host, server="units of the server were started again")
        .attempt(512)
        .passed
    )


def test_a_server_that_runs_out_of_memory_while_the_lab_comes_up_is_an_error_of_the_lab(
    topology: Topology, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, do = RunDir(LAB), host.do

    def printing(what: str) -> None:
        if what == "wait stack":
            (run.consoles / "server.log").write_text(f"booted\n{KILLED}\n")
        do(what)

    monkeypatch.setattr(host, "do", printing)
    host.fails = {"wait stack": DeadlineExceeded(f"{NODE} is Ready: not seen within 900 s")}
    with pytest.raises(LabError, match="not seen") as caught:
        floor_lab(topology, host).attempt(512)
    assert caught.value.remedy


@dataclass
class FakeServer:
    """As much of a lab as is asked of its server."""

    kernel: str = ""
    restarts: tuple[int, ...] = (1, 0)
    ready: bool = True
    answers: bool = True

    def machine(self, name: str) -> Any:
        assert name == "server"
        return self

    @property
    def topology(self) -> Topology:
        return load_topology(LABS / "default.yaml")

    @property
    def platform(self) -> Any:
        return SimpleNamespace(units=lambda topology: {"server": ("a.service", "b.service")})

    @property
    def kubectl(self) -> Any:
        return SimpleNamespace(raw=lambda path, deadline: "ok" if self.ready else "not ok")

    def run(self, command: str, deadline: Any, check: bool = True) -> SimpleNamespace:
        if not self.answers:
            raise LabError("it does not answer")
        if command.startswith("journalctl"):
            return SimpleNamespace(stdout=self.kernel)
        return SimpleNamespace(stdout="\n\n".join(map(str, self.restarts)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"kernel": KILLED}, "ran out of memory"),
        ({"kernel": AT_A_LIMIT}, ""),
        ({"restarts": (1, 2)}, "restarted 2 times"),
        ({"ready": False}, "not ready"),
        ({"answers": False}, "does not answer"),
    ],
)
def test_what_is_wrong_with_a_server_is_seen(
    change: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serverside, "ANSWER_SECONDS", 0.05)
    server = FakeServer()
    trouble = watched_server(cast(Lab, server))
    for name, value in change.items():
        setattr(server, name, value)
    assert (trouble() == "") == (told == "")
    assert told in trouble()


def test_an_interrupt_takes_the_lab_down(topology: Topology, host: FakeHost) -> None:
    def exercise(lab: Lab, node: str) -> Iterator[Stage]:
        yield Stage.SETTLE
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        floor_lab(topology, host, exercise).attempt(1024)
    assert not RunDir(LAB).path.exists()
