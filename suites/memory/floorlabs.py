"""Labs in which a node with little memory must complete its tasks, each from a cold start.

A failure before the node is switched on, or of the server, is an error of the lab; so is a failure
of the node while its server is out of memory or does not answer. After that a failure is attributed
to the node's memory: the kernel ran out of it, a unit failed, or the node was not Ready in time.
The search's first attempt, with the most memory, is the control for this."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge_lab.bringup.host import Host
from edge_lab.bringup.lifecycle import UpOptions, bring_up, take_down
from edge_lab.core.errors import LabError
from edge_lab.core.home import cache_home
from edge_lab.core.step import Phase, StepEvent, listening, step
from edge_lab.handle.lab import Lab
from edge_lab.topology import Topology
from suites.memory.floor import Attempt, Stage
from suites.memory.serverside import inconclusive, trouble_in_folder, watched_server
from suites.memory.shortages import available_mib, kernel_log, shortage_in, shortage_in_folder

LAB = "memory-floor"
MOST_LINES = 5
"""Maximum lines of a log that are kept as evidence."""
Exercise = Callable[[Lab, str], Iterator[Stage]]
"""The tasks of a node in a running lab. It yields each stage at its beginning.

AssertionError or LabError is the failure of the stage that was yielded last.
"""


def lab_of_one(topology: Topology, node: str, mib: int) -> Topology:
    """The server, one edge node with so much memory, and all devices."""
    ends = {topology.server.name, node, *(device.name for device in topology.devices)}
    return Topology.model_validate(
        {
            **topology.model_dump(),
            "name": LAB,
            "nodes": [
                {**member.model_dump(), **({"memory": mib} if member.name == node else {})}
                for member in topology.nodes
                if member.name in ends
            ],
            "links": [link.model_dump() for link in topology.links if link.endpoint in ends],
            "devices": [
                {**device.model_dump(), "twins": [name for name in device.twins if name == node]}
                for device in topology.devices
            ],
        }
    )


@dataclass
class FloorLab:
    """Tries memory sizes of one node. Each attempt removes its lab completely."""

    topology: Topology
    node: str
    exercise: Exercise
    stack: str | None = None
    host: Host | None = None
    stack_name: str = ""
    """The stack of the labs that started."""
    server_watch: Callable[[Lab], Callable[[], str]] = watched_server
    _stage: Stage = Stage.JOIN
    _blame: str = ""
    """The problem of the server when the node failed."""
    _found: list[str] = field(default_factory=list)
    _available: float | None = None

    def attempt(self, mib: int) -> Attempt:
        """The node with so much memory.

        Raises:
            InputError: the topology or the stack is invalid.
            LabError: something failed before the node was switched on, or the server did: then
                the attempt does not count.
        """
        self._stage, self._found, self._available, self._blame = Stage.JOIN, [], None, ""
        wanted = lab_of_one(self.topology, self.node, mib)
        take_down(LAB)
        kept = _kept()
        with step(f"{self.node} with {mib} MiB"), _begun(f"boot {self.node}") as begun:
            try:
                failure = self._tried(wanted)
            except LabError as trouble:
                if not begun or _of_server(trouble, wanted):
                    raise
                failure = trouble.message.partition("\n")[0]
            finally:
                take_down(LAB)
        for folder in _kept() - kept:
            self._found += shortage_in_folder(folder, self.node)
            self._blame = self._blame or trouble_in_folder(folder, wanted.server.name)
        shortage = tuple(dict.fromkeys(self._found))[:MOST_LINES]
        passed = not failure and not shortage
        if failure and not shortage and self._blame:
            raise inconclusive(self.node, mib, f"{self._blame}; {failure}")
        return Attempt(
            mib=mib,
            failed_at=None if passed else self._stage,
            reason=failure,
            shortage=shortage,
            available_mib=self._available,
        )

    def _tried(self, wanted: Topology) -> str:
        """Why the node failed; empty if it did not."""
        options = UpOptions(stack=self.stack, cold=True, save=False)
        lab = bring_up(wanted, options, self.host)
        self.stack_name = lab.stack_name
        trouble = self.server_watch(lab)
        try:
            for stage in self.exercise(lab, self.node):
                self._stage = stage
                if stage is Stage.REBOOT:
                    self._available = available_mib(lab, self.node)
        except LabError:
            self._blame = trouble()
            raise
        except AssertionError as failed:
            self._blame = trouble()
            return str(failed).partition("\n")[0] or "it did not meet the requirements"
        finally:
            self._found += shortage_in(kernel_log(lab, self.node))
        return ""


@contextmanager
def _begun(title: str) -> Iterator[list[str]]:
    """Holds the title as soon as a step of it has begun."""
    seen: list[str] = []

    def listen(event: StepEvent) -> None:
        if event.phase is Phase.START and event.title == title:
            seen.append(title)

    with listening(listen):
        yield seen


def _of_server(trouble: LabError, topology: Topology) -> bool:
    """Whether the server's console, or a unit there, ended the attempt."""
    server = topology.server.name
    return trouble.message.startswith(f"{server}: ") or f" on {server} " in trouble.message


def _kept() -> set[Path]:
    root = cache_home() / "kept"
    return set(root.glob(f"*-{LAB}")) if root.is_dir() else set()
