"""Collects evidence of a node's memory shortage, from the node and from the API server."""

from __future__ import annotations

import contextlib
import re
import secrets
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.evidence.memory import (
    ClusterEvent,
    MemoryEvidence,
    NodeMemorySeen,
    NodeMoment,
    PodMemory,
    PressureSeen,
)
from edge_lab.faults.limits import TimeLimit
from edge_lab.observe.memory.files import CGROUPS
from edge_lab.observe.memory.looking import MemoryWatcher, PressureWatcher
from edge_lab.observe.memory.objects import cluster_event, pod_memory
from edge_lab.provisioning.cri import cri_of

if TYPE_CHECKING:
    from edge_lab.evidence.recording import Recording
    from edge_lab.handle.lab import Lab
    from edge_lab.measuring.watcher import Watcher

ANSWER_SECONDS = 120.0
"""Seconds for one reading; a node that was short of memory is slow for a while."""

_MOMENT = f"""\
date +'clock %s'
echo MARK > /dev/kmsg
echo boot $(cat /proc/sys/kernel/random/boot_id)
grep '^MemAvailable:' /proc/meminfo
grep '^oom_kill ' /proc/vmstat
grep -rHs '^oom_kill ' {CGROUPS} --include=memory.events
systemctl show -p Id -p MainPID -p NRestarts UNITS
"""

_EVENTS = re.compile(rf"{CGROUPS}(/.+)/memory\.events:oom_kill (\d+)")


def parse_moment(text: str) -> NodeMoment:
    """Parses the output of `_MOMENT`; LabError if it is incomplete."""
    facts: dict[str, str] = {}
    groups: dict[str, int] = {}
    units: dict[str, str] = {}
    block: dict[str, str] = {}
    for line in [*text.splitlines(), ""]:
        if found := _EVENTS.fullmatch(line):
            groups[found[1]] = int(found[2])
        elif "=" in line:
            key, _, value = line.partition("=")
            block[key] = value
        elif not line.strip():
            if "Id" in block:
                units[block["Id"]] = f"{block.get('MainPID', '')}/{block.get('NRestarts', '')}"
            block = {}
        else:
            key, *rest = line.split()
            facts[key.removesuffix(":")] = rest[0] if rest else ""
    numbers = [facts.get(name, "") for name in ("MemAvailable", "oom_kill")]
    if not facts.get("boot") or not all(text.isascii() and text.isdigit() for text in numbers):
        raise LabError(f"the node did not report its memory: {text[:300]!r}")
    return NodeMoment(
        boot=facts["boot"],
        available_mib=round(int(numbers[0]) / 1024, 1),
        kills=int(numbers[1]),
        cgroup_kills=groups,
        units=units,
    )


def between(lines: Sequence[str], first: str, last: str) -> tuple[str, ...]:
    """The lines from the mark `first` to the mark `last`; empty unless both are present."""
    begin = next((at for at, line in enumerate(lines) if first in line), None)
    end = next((at for at, line in enumerate(lines) if last in line), None)
    if begin is None or end is None or end < begin:
        return ()
    return tuple(lines[begin : end + 1])


@dataclass
class MemoryCase:
    """The evidence of one node, from `begun` on."""

    lab: Lab
    node: str
    limit: TimeLimit
    token: str
    began: int
    before: NodeMoment
    pods_before: tuple[PodMemory, ...]
    _clock: int
    """The node's clock at the beginning: seconds since 1970."""
    _end: MemoryEvidence | None = None

    @classmethod
    def begun(cls, lab: Lab, node: str, limit: TimeLimit) -> MemoryCase:
        """Takes a reading, and writes a mark into the node's log."""
        token = secrets.token_hex(6)
        pods = _pods(lab, node, limit)
        said = _moment(lab, node, limit, _marks(token)[0])
        clock = re.search(r"^clock (\d+)$", said, re.MULTILINE)
        if clock is None:
            raise LabError(f"{node} did not report its time: {said[:200]!r}")
        return cls(
            lab=lab,
            node=node,
            limit=limit,
            token=token,
            began=time.time_ns(),
            before=parse_moment(said),
            pods_before=pods,
            _clock=int(clock[1]),
        )

    def end(self) -> None:
        """Takes the last reading; later events are not part of the evidence."""
        pods, events = _pods(self.lab, self.node, self.limit), _events(self.lab, self.limit)
        first, last = _marks(self.token)
        after = parse_moment(_moment(self.lab, self.node, self.limit, last))
        log = _run(
            self.lab,
            self.node,
            self.limit,
            "journalctl --sync; "
            f"journalctl -q -k -o short-unix --no-pager --since=@{self._clock - 1}",
        )
        self._end = MemoryEvidence(
            node=self.node,
            runtime=self.lab.stack_name,
            began=self.began,
            ended=time.time_ns(),
            before=self.before,
            after=after,
            marks=(first, last),
            kernel_log=between(log.splitlines(), first, last),
            pods_before=self.pods_before,
            pods_after=pods,
            events=events,
        )

    def evidence(self, recording: Recording) -> MemoryEvidence:
        """All evidence, with the observations of the watchers of `memory_watchers`.

        Raises:
            LabError: it has not ended.
        """
        if self._end is None:
            raise LabError("the evidence of memory is still being collected")
        ended = self._end.ended
        pressure, memory = recording.seen(PressureSeen), recording.seen(NodeMemorySeen)
        return self._end.altered(
            pressure=tuple(
                seen for seen in pressure if seen.node == self.node and seen.time <= ended
            ),
            memory=tuple(seen for seen in memory if seen.node == self.node and seen.time <= ended),
        )


@contextlib.contextmanager
def collecting(lab: Lab, node: str, limit: TimeLimit) -> Iterator[MemoryCase]:
    """Collects the evidence of a node's memory while the block runs."""
    case = MemoryCase.begun(lab, node, limit)
    yield case
    case.end()


def memory_watchers(lab: Lab, *nodes: str) -> list[Watcher]:
    """The watchers that a case needs."""
    found: list[Watcher] = []
    for node in nodes:
        found += [MemoryWatcher(lab, node), PressureWatcher(lab, node)]
    return found


def _marks(token: str) -> tuple[str, str]:
    return f"edge-lab: memory case {token} begins", f"edge-lab: memory case {token} ends"


def _run(lab: Lab, node: str, limit: TimeLimit, command: str) -> str:
    return lab.machines[node].run(command, limit(ANSWER_SECONDS)).stdout


def _moment(lab: Lab, node: str, limit: TimeLimit, mark: str) -> str:
    """The counters, directly after a mark in the log: later kills are in neither."""
    runtime = cri_of(lab.topology.node(node))
    units = (*lab.platform.units(lab.topology)[node], runtime.unit)
    command = _MOMENT.replace("UNITS", shlex.join(dict.fromkeys(units)))
    return _run(lab, node, limit, command.replace("MARK", shlex.quote(mark)))


def _pods(lab: Lab, node: str, limit: TimeLimit) -> tuple[PodMemory, ...]:
    deadline: Deadline = limit(ANSWER_SECONDS)
    found = lab.kubectl.items(
        "pods", "-A", f"--field-selector=spec.nodeName={node}", deadline=deadline
    )
    return tuple(pod_memory(pod) for pod in found)


def _events(lab: Lab, limit: TimeLimit) -> tuple[ClusterEvent, ...] | None:
    try:
        found = lab.kubectl.items("events", "-A", deadline=limit(ANSWER_SECONDS))
    except LabError:
        return None
    return tuple(cluster_event(event) for event in found)
