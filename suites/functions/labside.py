"""The interface of the scenarios, implemented for a lab."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.addons.functions.limits import Watched, watched_limits, watching_nodes
from edge_lab.addons.functions.names import ACTIVATOR, BROKER, unit
from edge_lab.addons.functions.parts import storm_command
from edge_lab.addons.functions.place import Place, place_of
from edge_lab.addons.functions.records import (
    Activation,
    Event,
    Records,
    parse_activations,
    parse_events,
    parse_first_reads,
    parse_records,
)
from edge_lab.addons.functions.ways import Way, ways_of
from edge_lab.core.errors import LabError
from edge_lab.devices.truth import now
from edge_lab.faults.kinds import ClockJump, Cut, DiskFull, Kill, Reboot
from edge_lab.observe.sandboxes import runtime_column
from edge_lab.observe.scheduling.clock import node_clock
from edge_lab.oracles.scheduling.clock import ClockBounds
from edge_lab.stacks import get_stack
from suites.edges import uplink
from suites.functions.evidence import Step
from suites.functions.side import Memory
from suites.lines import over_line
from suites.waiting import WaitingSide

if TYPE_CHECKING:
    pass

ASK_SECONDS = 120.0
STORM_SECONDS = 600.0
"""To publish a storm on an emulated node, whose disk stores one event at a time."""

RUNNING = "ps -ww -e -o args="
"""The command lines of all processes of a node."""
_FUNCTION = re.compile(r"^\S*edge-functions handle --way (\w+) ", re.MULTILINE)

MEMORY = "grep MemAvailable: /proc/meminfo; grep '^oom_kill ' /proc/vmstat"


@dataclass(frozen=True)
class LabSide(WaitingSide):
    """A `suites.functions.side.Side`."""

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(node.name for node in watching_nodes(self.lab.topology))

    @property
    def ways(self) -> tuple[Way, ...]:
        return ways_of(self.lab.topology, get_stack(self.lab.stack_name))

    def runtime(self, node: str) -> str:
        return runtime_column(self.lab, node)

    def now(self) -> int:
        return now()

    def place(self, node: str) -> Place:
        return place_of(self.lab.topology, self.lab.topology.node(node))

    def watched(self, node: str) -> Watched:
        """The limit that is judged: the first one that the node watches."""
        return watched_limits(self.lab.topology, self.lab.topology.node(node))[0]

    # -- on the node, over the management path -------------------------------------------------

    def run(self, node: str, command: str, seconds: float = ASK_SECONDS) -> str:
        return self.lab.machine(node).run(command, self.limit(seconds)).stdout

    def _texts(self, node: str, *paths: str) -> str:
        """The contents of logs, concatenated; a missing one is empty."""
        files = " ".join(paths)
        shell = f"for f in {files}; do [ -e $f ] && tr -d '\\000' <$f && echo; done; true"
        return self.run(node, shell)

    def events(self, node: str) -> tuple[Event, ...]:
        place = self.place(node)
        return parse_events(self._texts(node, place.source_journal, place.storm_journal))

    def first_reads(self, node: str) -> tuple[int, ...]:
        journal = self._texts(node, self.place(node).source_journal)
        return parse_first_reads(journal, self.watched(node).device.name)

    def records(self, node: str) -> Records:
        place = self.place(node)
        return parse_records(self._texts(node, *(place.records(way.name) for way in self.ways)))

    def activations(self, node: str) -> tuple[Activation, ...]:
        return parse_activations(self._texts(node, self.place(node).activator_journal))

    def running(self, node: str) -> frozenset[str]:
        return running_in(self.run(node, RUNNING))

    def clock(self, node: str) -> ClockBounds:
        return node_clock(self.lab, node, self.limit(ASK_SECONDS))

    def memory(self, node: str) -> Memory:
        return memory_in(self.run(node, MEMORY))

    # -- elsewhere -----------------------------------------------------------------------------

    def copies(self) -> tuple[str, ...]:
        server = self.lab.topology.server.name
        place = self.place(server)
        command = shlex.join((place.program, "copies", "--server", place.url))
        return tuple(self.run(server, command).split())

    def steps(self, node: str) -> tuple[Step, ...]:
        watched = self.watched(node)
        point = watched.limit.point
        return tuple(
            Step(step.seq, step.time, int(step.values[point]))
            for step in self.lab.devices[watched.device.name].steps()
        )

    # -- faults ------------------------------------------------------------------------------

    def storm(self, node: str, ways: Sequence[str], count: int) -> None:
        place = self.place(node)
        storms = [shlex.join(storm_command(place, way, count)) for way in ways]
        self.run(node, " && ".join(storms), STORM_SECONDS)

    @contextlib.contextmanager
    def offline(self) -> Iterator[None]:
        with self.faults.inflict_all([Cut(link=uplink(self.lab, node)) for node in self.nodes]):
            yield

    @contextlib.contextmanager
    def line(self, profile: str) -> Iterator[None]:
        with over_line(self, self.nodes, profile):
            yield

    def reset(self) -> None:
        with self.faults.inflict_all([Reboot(node=node) for node in self.nodes]):
            pass  # healed when they are up again

    def kill_brokers(self) -> None:
        kills = [Kill(node=node, service=unit(BROKER)) for node in self.nodes]
        with self.faults.inflict_all(kills):
            pass  # healed when systemd has started them again

    def kill_activator(self, node: str) -> None:
        with self.faults.inflict(Kill(node=node, service=unit(ACTIVATOR))):
            pass  # healed when systemd has started it again

    @contextlib.contextmanager
    def full_disks(self) -> Iterator[None]:
        with self.faults.inflict_all([DiskFull(node=node) for node in self.nodes]):
            yield

    @contextlib.contextmanager
    def wrong_clock(self, node: str, seconds: float) -> Iterator[None]:
        with self.faults.inflict(ClockJump(node=node, seconds=seconds)):
            yield

    @contextlib.contextmanager
    def no_activators(self) -> Iterator[None]:
        name = unit(ACTIVATOR)
        with contextlib.ExitStack() as undo:
            for node in self.nodes:
                undo.callback(self.run, node, f"systemctl start {name}")
                self.run(node, f"systemctl stop {name}")
            yield


def running_in(text: str) -> frozenset[str]:
    """The ways with a running function, from the command lines of a node's processes."""
    return frozenset(_FUNCTION.findall(text))


def memory_in(text: str) -> Memory:
    available = re.search(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)
    kills = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    if available is None or kills is None:
        raise LabError(f"cannot read the memory of a node from {text[:200]!r}")
    return Memory(int(available[1]) / 1024, int(kills[1]))
