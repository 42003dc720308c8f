"""PIDs and descriptors that run out, on a node that is a few lines of Python; and the programs that
see to it, as they run on a node."""

from __future__ import annotations

import errno
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
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
from edge_lab.faults.families.node import files, pids
from edge_lab.faults.families.node.action import NodeTools
from edge_lab.faults.families.node.guestfacts import number_in, parse_facts, python
from edge_lab.faults.families.node.injector import NodeInjector
from edge_lab.faults.kinds import FilesExhausted, NodeFault, PidsExhausted
from edge_lab.faults.undo import StillActive
from tests.looks import looks

NODE = "edge-arm"
USUAL = 14_000
"""The limits before a fault."""
PODS_USE, SERVICE_USES = 120, 40


@dataclass
class FakeNode:
    """As much of a node as the two act on. One that does not obey limits nothing."""

    name: str = NODE
    obeys: bool = True
    restores: bool = True
    has_pods: bool = True
    listens: bool = True
    accepts: int = 1000
    """Connections that the service accepts in any case."""
    pid: int = 300
    pids_limit: int = USUAL
    files_limit: int = USUAL
    noted: str = "none"
    """The previous limit, as it is recorded."""
    done: list[str] = field(default_factory=list)

    def run(self, command: str, deadline: Deadline, check: bool = True) -> SimpleNamespace:
        return SimpleNamespace(stdout="\n".join(self._lines(command)))

    def wait_unit(self, unit: str, deadline: Deadline) -> None:
        assert self.pid

    def restarts(self) -> None:
        """The service runs as another process: with the usual limit."""
        self.pid += 1
        self.files_limit = USUAL
        self.noted = "other" if self.noted != "none" else "none"

    def boots(self) -> None:
        self.noted, self.pids_limit, self.files_limit = "none", USUAL, USUAL

    def _lines(self, command: str) -> list[str]:
        if "MainPID" in command:
            return [str(self.pid)]
        if command.startswith("rm -f /run/edge-lab-"):
            self.noted = "none"
            return []
        words = shlex.split(command)
        assert words[:3] == ["python3", "-I", "-c"]
        what, number = words[4], int(words[-1])
        handle = self._pids if words[3] == pids.PROGRAM else self._files
        return [f"{name} {value}" for name, value in handle(what, number).items()]

    def _limit(self, limit: str, wanted: int) -> None:
        self.done.append("limit")
        self.noted = str(USUAL)
        if self.obeys:
            setattr(self, limit, min(wanted, getattr(self, limit)))

    def _restore(self, limit: str) -> None:
        self.done.append("restore")
        if self.restores and self.noted.isdigit():
            setattr(self, limit, int(self.noted))

    def _pids(self, what: str, number: int) -> dict[str, object]:
        if not self.has_pods:
            return {"group": "none", "previous": self.noted}
        facts: dict[str, object] = {}
        if what == "limit":
            self._limit("pids_limit", PODS_USE + number)
        elif what == "restore":
            self._restore("pids_limit")
        elif what == "try":
            started = max(0, min(number, self.pids_limit - PODS_USE - 1))
            facts = {"started": started, "refused": number - started}
        known = {"limit": self.pids_limit, "used": PODS_USE, "previous": self.noted}
        return {"group": "/sys/fs/cgroup/kubepods", **facts, **known}

    def _files(self, what: str, number: int) -> dict[str, object]:
        facts: dict[str, object] = {}
        free = self.files_limit - SERVICE_USES
        if what == "limit":
            self._limit("files_limit", SERVICE_USES + number)
        elif what == "restore":
            self._restore("files_limit")
        elif what == "offer" and self.listens:
            taken = min(number, free, self.accepts)
            facts = {"offered": number, "taken": taken, "least": free - taken}
        return {**facts, "limit": self.files_limit, "used": SERVICE_USES, "previous": self.noted}


def faults_on(node: FakeNode) -> NodeInjector:
    machines: Any = {NODE: node}
    return NodeInjector(machines, NodeTools(looks))


EACH: list[NodeFault] = [
    PidsExhausted(node=NODE),
    PidsExhausted(node=NODE, leave=3),
    FilesExhausted(node=NODE),
    FilesExhausted(node=NODE, service="kubelet.service", leave=5),
]
by_title = pytest.mark.parametrize("fault", EACH, ids=lambda fault: fault.title)


@by_title
def test_a_shortage_is_made_seen_and_ended(fault: NodeFault) -> None:
    node = FakeNode()
    faults = faults_on(node)
    assert faults.inject(fault)
    assert min(node.pids_limit, node.files_limit) < USUAL
    assert faults.heal(fault)
    assert (node.pids_limit, node.files_limit, node.noted) == (USUAL, USUAL, "none")


@by_title
def test_a_fault_without_effect_is_a_lab_error(fault: NodeFault) -> None:
    node = FakeNode(obeys=False)
    with pytest.raises(LabError) as caught:
        faults_on(node).inject(fault)
    assert not isinstance(caught.value, StillActive)
    assert "restore" in node.done
    assert node.noted == "none"


@by_title
def test_what_does_not_end_is_a_lab_error_and_can_be_healed_again(fault: NodeFault) -> None:
    node = FakeNode()
    faults = faults_on(node)
    faults.inject(fault)
    node.restores = False
    with pytest.raises(LabError):
        faults.heal(fault)
    node.restores = True
    assert faults.heal(fault)


@by_title
def test_after_a_boot_nothing_is_left_to_heal(fault: NodeFault) -> None:
    node = FakeNode()
    faults = faults_on(node)
    faults.inject(fault)
    node.boots()
    assert "since" in faults.heal(fault)


def test_before_the_pods_of_a_booted_node_nothing_is_left_to_heal() -> None:
    assert "booted since" in faults_on(FakeNode(has_pods=False)).heal(EACH[0])


def test_another_process_of_the_service_has_its_own_limit() -> None:
    node = FakeNode()
    faults = faults_on(node)
    faults.inject(EACH[2])
    node.restarts()
    assert "started again since" in faults.heal(EACH[2])
    assert (node.files_limit, node.noted) == (USUAL, "none")


@by_title
def test_a_check_changes_nothing(fault: NodeFault) -> None:
    node = FakeNode()
    faults_on(node).check(fault)
    assert node.done == []


REFUSED: Mapping[str, tuple[Callable[[], FakeNode], NodeFault]] = {
    "no pods yet": (lambda: FakeNode(has_pods=False), EACH[0]),
    "no PIDs left already": (lambda: FakeNode(pids_limit=PODS_USE), EACH[0]),
    "less left already": (lambda: FakeNode(pids_limit=PODS_USE + 2), EACH[1]),
    "PIDs limited already": (lambda: FakeNode(noted=str(USUAL)), EACH[0]),
    "files limited already": (lambda: FakeNode(noted=str(USUAL)), EACH[2]),
    "a service that does not run": (lambda: FakeNode(pid=0), EACH[2]),
    "a service that nobody can connect to": (lambda: FakeNode(listens=False), EACH[2]),
    "a service that accepts nothing": (lambda: FakeNode(accepts=0), EACH[2]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_not_be_seen_is_refused(case: str) -> None:
    make, fault = REFUSED[case]
    for act in ("check", "inject"):
        node = make()
        with pytest.raises(InputError):
            getattr(faults_on(node), act)(fault)
        assert node.done == []


@given(st.text())
def test_any_answer_is_read_or_is_a_lab_error(text: str) -> None:
    with pytest.raises(LabError):
        parse_facts(text, "no such fact")
    with pytest.raises(LabError):
        number_in(parse_facts(text), "no such fact")


# -- the programs themselves ---------------------------------------------------------------------


def run(program: str, *arguments: object) -> Mapping[str, str]:
    command = python(program, *arguments).replace("python3", shlex.quote(sys.executable), 1)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return parse_facts(done.stdout)


REFUSING = """\
import os
_fork, _left = os.fork, [2]
def fork():
    _left[0] -= 1
    if _left[0] < 0:
        raise BlockingIOError
    return _fork()
os.fork = fork
"""
"""Only two processes can be started: what a control group does at its limit."""


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """The control group of pods, as files."""
    (tmp_path / "kubepods").mkdir()
    (tmp_path / "kubepods/pids.max").write_text("max\n")
    (tmp_path / "kubepods/pids.current").write_text("12\n")
    (tmp_path / "self").write_text("0::/\n")
    return tmp_path / "kubepods"


def on_files(group: Path, program: str = pids.PROGRAM) -> str:
    """The program with the folder of these files for that of all control groups."""
    program = program.replace("/sys/fs/cgroup", str(group.parent))
    program = program.replace("/proc/self/cgroup", str(group.parent / "self"))
    return program.replace(pids.PREVIOUS, str(group.parent / "previous"))


@pytest.mark.slow(reason="a limit by the least use of a second")
def test_a_limit_of_pids_is_recorded_never_raised_and_restored(group: Path) -> None:
    program = on_files(group)
    assert run(program, "limit", 3)["limit"] == "15"
    (group / "pids.current").write_text("20")
    assert run(program, "limit", 3)["limit"] == "15"
    (group / "pids.current").write_text("9")
    assert run(program, "limit", 3)["limit"] == "12"
    assert run(program, "restore", 0) == {
        "group": str(group),
        "limit": "max",
        "used": "9",
        "previous": "max",
    }


def test_processes_that_are_refused_are_told_from_those_that_start(group: Path) -> None:
    assert run(on_files(group), "try", 3)["refused"] == "0"
    facts = run(on_files(group, REFUSING + pids.PROGRAM), "try", 3)
    assert (facts["started"], facts["refused"]) == ("2", "1")
    assert (group / "edge-lab-probe/cgroup.procs").read_text().isdigit()
    assert (group.parent / "cgroup.procs").read_text().isdigit()


def test_a_node_without_pods_is_told(group: Path) -> None:
    (group / "pids.max").unlink()
    assert run(on_files(group), "limit", 3) == {"group": "none", "previous": "none"}


SERVER = """\
import errno, select, socket, sys
where = sys.argv[1]
server = socket.socket(socket.AF_UNIX if where else socket.AF_INET)
server.bind(where or ("127.0.0.1", 0))
server.listen()
print("listening", flush=True)
clients = []
while True:
    for ready in select.select([server, *clients], [], [])[0]:
        if ready is server:
            try:
                clients.append(server.accept()[0])
            except OSError as trouble:
                print(errno.errorcode[trouble.errno], flush=True)
                select.select([], [], [], 0.1)
        elif not ready.recv(1):
            clients.remove(ready)
            ready.close()
"""


@contextmanager
def served(where: str) -> Iterator[subprocess.Popen[str]]:
    """A process that accepts connections at a path, or at a port."""
    with subprocess.Popen(
        [sys.executable, "-I", "-c", SERVER, where], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            yield process
        finally:
            process.kill()


@pytest.mark.slow(reason="a limit by the least use of a second, four times")
@pytest.mark.parametrize("leave", [0, 3])
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_process_without_descriptors_accepts_what_is_left_and_again_all(
    kind: str, leave: int, tmp_path: Path
) -> None:
    path = str(tmp_path / "server.sock") if kind == "unix" else ""
    with served(path) as server:

        def does(what: str, number: int = 0) -> Mapping[str, str]:
            return run(files.PROGRAM, what, server.pid, tmp_path / "previous", number)

        usual = does("look")
        assert usual["previous"] == "none"
        assert does("offer", leave + 8)["taken"] == str(leave + 8)
        limited = does("limit", leave)
        assert (limited["free"], limited["previous"]) == (str(leave), usual["limit"])
        facts = does("offer", leave + 8)
        assert (facts["taken"], facts["least"]) == (str(leave), "0")
        assert server.stdout is not None
        assert server.stdout.readline().strip() == errno.errorcode[errno.EMFILE]
        assert does("restore")["limit"] == usual["limit"]
        Deadline.after(60).wait_for(
            "it accepts all again",
            lambda: does("offer", leave + 8)["taken"] == str(leave + 8),
        )
    with served(str(tmp_path / "another.sock")) as other:
        facts = run(files.PROGRAM, "restore", other.pid, tmp_path / "previous", 0)
        assert facts["previous"] == "other"


def test_a_process_that_does_not_listen_is_offered_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as idle:
        try:
            facts = run(files.PROGRAM, "offer", idle.pid, tmp_path / "previous", 8)
        finally:
            idle.kill()
    assert "offered" not in facts


def test_the_programs_name_no_file_that_a_boot_would_keep() -> None:
    for path in (pids.PREVIOUS, files.previous_of("containerd.service")):
        assert re.match(r"/run/", path)
