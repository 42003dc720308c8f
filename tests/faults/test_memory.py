"""Faults of memory, on a node that is a few lines of Python; and the programs that take it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.families.memory import guest
from edge_lab.faults.families.memory.guest import READ, TAKE, Program
from edge_lab.faults.families.memory.injector import MemoryInjector
from edge_lab.faults.families.memory.sight import parse_sight
from edge_lab.faults.kinds import MemoryFault, MemoryHog, MemoryLeak, PageCache
from edge_lab.faults.undo import StillActive
from tests.looks import looks

NODE = "edge-arm"
TOTAL, AVAILABLE = 1971, 1400
"""MiB."""


@dataclass
class FakeNode:
    """As much of a node as faults of memory act on; MiB. One that does not obey takes nothing."""

    name: str = NODE
    obeys: bool = True
    ends: bool = True
    """A unit that is stopped gives its memory back."""
    dies: bool = False
    """What is started is ended at once."""
    pods_gone_mib: int = 0
    """Given back by pods while it is taken."""
    lost_mib: int = 0
    """Taken by others for good."""
    running: str = ""
    held: int = 0
    goal: int = 0
    stolen: int = 7
    noted: bool = False
    done: list[str] = field(default_factory=list)

    @property
    def available(self) -> int:
        return AVAILABLE - self.held - self.lost_mib + (self.pods_gone_mib if self.held else 0)

    def run(self, command: str, deadline: Deadline, check: bool = True) -> SimpleNamespace:
        return SimpleNamespace(stdout=self._answer(command))

    def _answer(self, command: str) -> str:
        if "systemd-run" in command:
            self.done.append("start")
            self.noted = True
            if self.obeys and not self.dies:
                found = re.search(r"--unit (\S+)", command)
                assert found is not None
                self.running = found[1]
                self.goal = self._goal(command)
        elif "systemctl stop" in command:
            self.done.append("stop")
            if self.ends:
                self.running, self.held = "", 0
        elif command == guest.FORGET:
            self.noted = False
        elif "is-active" in command:
            return self._look()
        else:
            raise AssertionError(f"nobody expected {command!r}")
        return ""

    def _goal(self, command: str) -> int:
        found = re.search(r"program.py memory-\w+ (-?\d+) ", command)
        mib = int(found[1]) if found else 0
        return 10**6 if mib < 0 else mib

    def _look(self) -> str:
        if self.running:
            self.held = min(self.goal, self.held + 300, AVAILABLE)
            self.stolen += 9000 if "page-cache" in self.running else 0
        lines = [f"active {'active' if self.running else 'inactive'}"]
        if self.running:
            lines.append(f"Rss:  {(self.held + 10) * 1024} kB")
        lines += [f"MemTotal: {TOTAL * 1024} kB", f"MemAvailable: {self.available * 1024} kB"]
        lines += ["MemFree: 1000 kB", "Cached: 2000 kB", f"pgsteal_kswapd {self.stolen}"]
        lines += ["pgsteal_direct 0"]
        if self.noted:
            lines.append(f"before {AVAILABLE * 1024}")
        return "\n".join(lines)


def faults_on(node: FakeNode) -> MemoryInjector:
    machines: Any = {NODE: node}
    return MemoryInjector(machines, looks)


EACH: list[MemoryFault] = [
    MemoryHog(node=NODE, mib=900),
    MemoryHog(node=NODE, leave_mib=60, oom_score_adj=-1000),
    MemoryLeak(node=NODE, mib_per_s=8),
    MemoryLeak(node=NODE, mib_per_s=20, limit_mib=400),
    PageCache(node=NODE),
]
by_title = pytest.mark.parametrize("fault", EACH, ids=lambda fault: fault.title)


@by_title
def test_memory_is_taken_seen_and_given_back(fault: MemoryFault) -> None:
    node = FakeNode()
    faults = faults_on(node)
    assert faults.inject(fault)
    assert node.running == f"edge-lab-{fault.fault}.service"
    assert faults.heal(fault)
    assert (node.running, node.held, node.noted) == ("", 0, False)


@by_title
def test_a_fault_without_effect_is_a_lab_error(fault: MemoryFault) -> None:
    node = FakeNode(obeys=False)
    with pytest.raises(LabError) as caught:
        faults_on(node).inject(fault)
    assert not isinstance(caught.value, StillActive)
    assert node.done == ["start", "stop"]


@by_title
def test_what_is_ended_before_it_is_seen_is_a_lab_error_at_once(fault: MemoryFault) -> None:
    node = FakeNode(dies=True)
    injector = MemoryInjector({NODE: node}, lambda seconds: Deadline.after(60))  # type: ignore[dict-item]
    with pytest.raises(LabError):
        injector.inject(fault)


@by_title
def test_what_does_not_end_is_a_lab_error_and_can_be_healed_again(fault: MemoryFault) -> None:
    node = FakeNode()
    faults = faults_on(node)
    faults.inject(fault)
    node.ends = False
    with pytest.raises(LabError):
        faults.heal(fault)
    node.ends = True
    assert faults.heal(fault)


@by_title
def test_what_could_be_seen_is_looked_at_and_left_alone(fault: MemoryFault) -> None:
    node = FakeNode()
    faults_on(node).check(fault)
    assert node.done == []


def test_memory_that_does_not_come_back_is_a_lab_error() -> None:
    node = FakeNode()
    faults = faults_on(node)
    fault = MemoryHog(node=NODE, mib=500)
    faults.inject(fault)
    node.lost_mib = 400
    with pytest.raises(LabError):
        faults.heal(fault)
    node.lost_mib = 100
    assert faults.heal(fault)


def test_a_process_that_holds_its_memory_while_none_is_missing_is_no_proof() -> None:
    node = FakeNode(pods_gone_mib=800)
    with pytest.raises(LabError):
        faults_on(node).inject(MemoryHog(node=NODE, mib=900))
    assert node.held == 0


def test_pods_that_were_evicted_meanwhile_hide_no_fault() -> None:
    assert faults_on(FakeNode(pods_gone_mib=150)).inject(MemoryHog(node=NODE, mib=900))


def test_after_a_boot_nothing_is_left_to_heal() -> None:
    assert faults_on(FakeNode()).heal(MemoryHog(node=NODE, mib=900))


def test_a_killed_hog_is_healed_all_the_same() -> None:
    node = FakeNode()
    faults = faults_on(node)
    faults.inject(MemoryHog(node=NODE, mib=900))
    node.running, node.held = "", 0
    assert faults.heal(MemoryHog(node=NODE, mib=900))


@pytest.mark.parametrize(
    "fault",
    [
        MemoryHog(node=NODE, mib=1900),
        MemoryHog(node=NODE, leave_mib=1390),
        MemoryLeak(node=NODE, limit_mib=1900),
    ],
    ids=lambda fault: fault.title,
)
def test_what_the_node_cannot_give_now_is_refused_by_a_look(fault: MemoryFault) -> None:
    node = FakeNode()
    for act in (faults_on(node).check, faults_on(node).inject):
        with pytest.raises(InputError):
            act(fault)
    assert node.done == []


def test_what_runs_already_is_not_started_twice() -> None:
    node = FakeNode(running="edge-lab-memory-hog.service", goal=50)
    with pytest.raises(InputError):
        faults_on(node).inject(MemoryHog(node=NODE, mib=400))
    assert node.done == []


def test_a_node_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(InputError, match=NODE):
        faults_on(FakeNode()).inject(MemoryHog(node="moon", mib=400))


def test_who_is_to_be_killed_is_fixed_when_it_is_started() -> None:
    hog = Program("memory-hog", TAKE, ("100", "0"), oom_score_adj=-1000, most_mib=164)
    assert "OOMScoreAdjust=-1000" in hog.start()
    assert "MemoryMax=164M" in hog.start()
    assert "MemoryMax" not in Program("memory-leak", TAKE, ("-1", "8"), 0).start()


@pytest.mark.parametrize("source", [TAKE, READ])
def test_a_node_s_shell_starts_the_program_as_it_is_written_here(
    source: str, tmp_path: Path
) -> None:
    run = tmp_path / "systemd-run"
    run.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    run.chmod(0o755)
    command = Program("memory-hog", source, ("100", "0"), oom_score_adj=-5, most_mib=164).start()
    here = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", command.replace(guest.FOLDER, str(tmp_path))],
        env=here,
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    assert words[:4] == ["--quiet", "--collect", "--unit", "edge-lab-memory-hog.service"]
    assert {"OOMScoreAdjust=-5", "MemoryMax=164M"} <= set(words)
    assert words[-5:] == ["-I", f"{tmp_path}/program.py", "memory-hog", "100", "0"]
    assert (tmp_path / "program.py").read_text() == source
    assert int((tmp_path / "before").read_text()) > 0
    compile(source, "program.py", "exec")


@pytest.mark.parametrize("name", [fault.fault for fault in EACH])
def test_the_kernel_s_log_shows_a_name_as_a_whole(name: str) -> None:
    assert len(name) <= 15


@pytest.mark.parametrize("lost", ["active", "MemTotal", "MemAvailable", "pgsteal_kswapd"])
def test_an_answer_with_a_hole_is_a_lab_error(lost: str) -> None:
    node = FakeNode(running="edge-lab-memory-hog.service", goal=50)
    said = node.run(guest.look("memory-hog"), Deadline.after(1)).stdout.splitlines()
    assert parse_sight("\n".join(said)).rss == 60
    with pytest.raises(LabError):
        parse_sight("\n".join(line for line in said if not line.startswith(lost)))


@given(st.text())
def test_any_answer_is_read_or_is_a_lab_error(text: str) -> None:
    with pytest.raises(LabError):
        parse_sight(text)


# -- the programs themselves ---------------------------------------------------------------------


@contextmanager
def running(source: str, *arguments: str) -> Iterator[int]:
    """A program of the guest's, here; its process id."""
    process = subprocess.Popen([sys.executable, "-I", "-c", source, *arguments])
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM


def held_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Anonymous:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


@pytest.mark.slow(reason="a process that takes memory")
def test_a_hog_takes_what_it_is_told_and_no_more() -> None:
    with running(TAKE, "memory-hog", "40", "0") as pid:
        limit = Deadline.after(60)
        limit.wait_for("it has its memory", lambda: held_mib(pid) >= 40)
        assert held_mib(pid) < 40 + 25
        assert Path(f"/proc/{pid}/comm").read_text().strip() == "memory-hog"


@pytest.mark.slow(reason="a process that takes memory by and by")
def test_a_leak_grows_at_its_pace() -> None:
    with running(TAKE, "memory-leak", "-1", "8") as pid:
        limit = Deadline.after(60)
        limit.wait_for("it has begun", lambda: held_mib(pid) > 8)
        first = held_mib(pid)
        limit.wait_for("it has grown", lambda: held_mib(pid) > first + 6)
        assert held_mib(pid) < first + 30


@pytest.mark.slow(reason="a process that reads a file")
def test_what_is_read_to_fill_the_page_cache_takes_no_room_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def read() -> int:
        found = re.search(r"^rchar: (\d+)", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0

    with running(READ, "page-cache", str(path), "8", "100") as pid:
        Deadline.after(60).wait_for("it reads again and again", lambda: read() > 20 << 20)
    assert path.stat().st_size == 8 << 20
    assert path.stat().st_blocks * 512 < 1 << 20
    assert not os.path.lexists(guest.FILE)
